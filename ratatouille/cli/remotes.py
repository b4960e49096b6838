"""Commands about this person's settings: `remote add|list|remove`, `config` and `config name`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from ratatouille.addresses import FORMS, Address
from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.errors import Damaged, Refusal
from ratatouille.federations import federation_of
from ratatouille.folders import expanded
from ratatouille.home import (
    Config,
    InForce,
    config_file,
    home,
    local_address,
    public_name,
    read_config,
    remote_in_force,
    usable_name,
    write_config,
)
from ratatouille.record import Name

_log = logging.getLogger(__name__)
_NAME: TypeAdapter[str] = TypeAdapter(Name)
RemoteName = Annotated[str, typer.Argument(help="What the remote is called here.", metavar="NAME")]


def add(
    name: RemoteName,
    url: Annotated[str, typer.Argument(help="grpcs://host:port, grpc://host:port, or a folder.", metavar="URL")],
    default: Annotated[bool, typer.Option("--default", help="Use it where no remote is given.")] = False,
) -> None:
    """Name the address of a registry."""
    config = read_config()
    address = usable_address(url)
    if not _is_name(name):
        raise Refusal(f"'{name}' is no name for a remote; use letters, digits, dots, dashes and underscores")
    before = config.remotes.get(name)
    if before not in (None, address):
        raise Refusal(f"remote '{name}' is {before}; `ratatouille remote remove {name}` forgets it first")
    remotes = {**config.remotes, name: address}
    changes = {"default": name} if default else {}
    write_config(config.model_copy(update={"remotes": remotes, **changes}))
    output.print_line(f"remote {name} is {address}" + (", and the default" if default else ""))


def list_(as_json: AsJson = False) -> None:
    """List the named registries."""
    config = read_config()
    remotes = dict(config.remotes)
    if "local" not in remotes:
        try:
            remotes["local"] = local_address()
        except Damaged as damaged:  # the others are known all the same
            _log.warning("remote local is left out: %s", damaged)
    if as_json:
        output.print_json({"default": config.default, "remotes": remotes})
        return
    rows = [("*" if name == config.default else "", name, address) for name, address in sorted(remotes.items())]
    output.print_table(output.TableLayout(("", "remote", "address")), rows)


def remove(name: RemoteName) -> None:
    """Forget a named registry."""
    config = read_config()
    if name not in config.remotes:
        known = ", ".join(sorted(config.remotes)) or "none"
        raise Refusal(f"config.toml names no remote '{name}'; it names {known}")
    rest = {other: address for other, address in config.remotes.items() if other != name}
    changes = {"default": Config().default} if name == config.default else {}
    changed = config.model_copy(update={"remotes": rest, **changes})
    write_config(changed)
    output.print_line(f"remote {name} is forgotten; the default is {changed.default}")


def config(remote: Remote = None, as_json: AsJson = False) -> None:
    """Show the settings in force and where they come from."""
    rows = in_force(remote)
    if as_json:
        output.print_json({name: {"value": one.value, "source": one.source} for name, one in rows.items()})
    else:
        layout = output.TableLayout(("setting", "value", "from"), prose=("from",))
        output.print_table(layout, [(name, one.value, one.source) for name, one in rows.items()])
        output.print_line(
            "The public name stands in the history beside what you decide and push; the member name is that of the "
            "federation, to which all your keys belong."
        )


def name(
    name: Annotated[str | None, typer.Argument(help="The name from now on.", metavar="[NAME]")] = None,
    as_json: AsJson = False,
) -> None:
    """Say or change the name that the history shows for you.

    It is public: it is signed into every release, tag, retraction and withdrawal, and stays there. Without a name the
    short form of your key stands in its place. The name of your account on this machine is never used.
    """
    if name is not None:
        write_config(read_config().model_copy(update={"name": usable_name(name)}))
    found = own_public_name()
    if as_json:
        output.print_json({"value": found.value, "source": found.source})
    elif name is not None:
        output.print_line(f"the history calls you {found.value} from now on; what is signed already stays as it is")
    elif not found.value:
        output.print_line(f"the history will call you by {found.source}; `ratatouille config name NAME` gives a name")
    else:
        output.print_line(f"the history calls you {found.value} ({found.source})")


def my_public_name() -> str:
    """How the history calls the person at this machine, in words."""
    found = own_public_name()
    return found.value or found.source


def own_public_name() -> InForce:
    """How the history calls the person at this machine; empty before there is a key or a name."""
    from ratatouille.exchange.signing import Signer

    key = home() / "key"
    if key.exists():
        return public_name(Signer.open(key).node)
    found = public_name(None)
    return found if found.value else InForce("", f"{found.source}, which your first signature makes")


def in_force(remote: str | None) -> dict[str, InForce]:
    """Every setting that commands share, with its source."""
    file = config_file()
    stated = read_config()
    written = "config.toml" if "default" in stated.model_fields_set else "built in"
    return {
        "home": InForce(str(home()), "$RATATOUILLE_HOME" if os.environ.get("RATATOUILLE_HOME") else "built in"),
        "config": InForce(str(file), "home" if file.exists() else "home; not written yet"),
        "public name": _as_far_as_known(own_public_name),
        "default remote": InForce(stated.default, written),
        "remote in force": _as_far_as_known(lambda: remote_in_force(remote)),
        "member name": _as_far_as_known(lambda: _member_name(remote_in_force(remote).value)),
    }


def _member_name(address: str) -> InForce:
    """The name of the member that this home is in the federation at an address."""
    joined = federation_of(address) if Address.of(address) is not None else None
    if joined is None or joined.member is None:
        return InForce("", "this home has joined no federation there")
    return InForce(joined.name, f"the federation at {address}, as {joined.role}")


def _as_far_as_known(find: Callable[[], InForce]) -> InForce:
    """A setting; where its file cannot be used, why it is not known."""
    try:
        return find()
    except Damaged as damaged:
        return InForce("", str(damaged))


def usable_address(url: str) -> str:
    """An address as it is kept: folders become absolute, since a remote must mean the same everywhere.

    Raises:
        Refusal: for what is neither the address of a service nor a folder.
    """
    if "://" not in url:
        if "/" not in url and not url.startswith((".", "~")):
            raise Refusal(f"'{url}' is no address of a registry; use {FORMS}, or a folder such as ./{url}")
        return str(expanded(url).resolve())
    if Address.of(url) is None:
        raise Refusal(f"'{url}' is no address of a registry; use {FORMS}, or a folder")
    return url.rstrip("/")


def _is_name(name: str) -> bool:
    try:
        return bool(_NAME.validate_python(name))
    except ValidationError:
        return False
