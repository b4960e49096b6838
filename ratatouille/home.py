"""The home folder: a person's settings, named remotes, and what is in force.

$RATATOUILLE_HOME (default ~/.ratatouille) has `config.toml` with named remotes; $RATATOUILLE_REMOTE and `--remote` go
before its default. The remote `local` is the coordinator of this home, on the ports that it was started with.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import tomli_w
from pydantic import BaseModel, Field

from ratatouille.errors import Damaged, Refusal
from ratatouille.folders import expanded, home_folder, write_whole
from ratatouille.record import Name, Record
from ratatouille.settings import read_settings

R = TypeVar("R", bound=BaseModel)
DEFAULT_PORT = 9290
DEFAULT_WEB_PORT = 9280
LONGEST_NAME = 80
_HOST_AND_PORT = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")
FEDERATION = "federation.toml"
REJOIN = "remove it, and join again with an invitation"
SHORT_KEY = 10
"""Characters of a key that stand for it where people read."""


class Ports(Record):
    """The contents of ports.toml: where the coordinator of a folder listens."""

    registry: Annotated[int, Field(ge=1, le=65535)] = DEFAULT_PORT
    superlink: Annotated[int, Field(ge=1, le=65535)] = DEFAULT_PORT + 1
    web: Annotated[int, Field(ge=0, le=65535, exclude_if=lambda port: port == DEFAULT_WEB_PORT)] = DEFAULT_WEB_PORT
    """The page's; 0 for a free one."""


class Config(Record):
    """The contents of config.toml."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)] | None = None
    """How a person is called in the history; without one it is the short form of their key."""
    default: str = "local"
    remotes: dict[Name, str] = Field(default_factory=dict)
    authority: Path | None = None
    """A file with the authorities (PEM) that are believed in place of this machine's, for addresses without a pin."""

    def address(self, name: str) -> str | None:
        """The address of a named remote; `local` is the coordinator of this machine unless it is redefined."""
        return self.remotes.get(name) or (local_address() if name == "local" else None)


@dataclass(frozen=True)
class InForce:
    """A setting and where it comes from."""

    value: str
    source: str


def home() -> Path:
    """The home folder.

    Raises:
        Refusal: for a user of the operating system who has none.
    """
    said = os.environ.get("RATATOUILLE_HOME")
    return expanded(said) if said else home_folder() / ".ratatouille"


def config_file() -> Path:
    """The file with the named remotes."""
    return home() / "config.toml"


def coordinator_folder() -> Path:
    """Where the coordinator of this home keeps its state, unless it is given another folder."""
    return home() / "coordinator"


def ports_file(folder: Path) -> Path:
    """The file with the ports of the coordinator of a folder."""
    return folder / "ports.toml"


def read_ports(folder: Path) -> Ports:
    """The ports that the coordinator of a folder was last started with; the usual ones where there is no file."""
    path = ports_file(folder)
    if not path.exists():
        return Ports()
    return read_own(path, Ports, "ports", "remove it, and `ratatouille coordinator up` writes it anew")


def local_address() -> str:
    """The address of the coordinator of this home."""
    return f"grpc://127.0.0.1:{read_ports(coordinator_folder()).registry}"


def read_config() -> Config:
    """The configuration; an empty one when there is no file."""
    path = config_file()
    if not path.exists():
        return Config()
    return read_own(path, Config, "config", "correct it, or remove it and name the remotes anew")


def read_own(path: Path, record: type[R], kind: str, remedy: str) -> R:
    """A settings file that the home folder keeps.

    Args:
        path: where it is.
        record: what it holds.
        kind: what people call it.
        remedy: what to do with one that cannot be used.

    Raises:
        Damaged: for a file that cannot be used.
    """
    try:
        return read_settings(path, record, kind)
    except Refusal as refusal:
        raise Damaged(f"{refusal}; {remedy}") from refusal


def write_config(config: Config) -> None:
    """Replace config.toml as a whole, so that a crash leaves the old one or the new one."""
    values = config.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    write_whole(config_file(), [tomli_w.dumps(values).encode()], private=True)


def federation_folder(host_and_port: str) -> Path:
    """Where this home keeps what it knows of the federation at an address; it is there once it was joined."""
    host, _, port = host_and_port.lower().rpartition(":")
    return home() / "federations" / f"{host.strip('[]').replace(':', '-')}_{port}"


def public_name(key: str | None, given: str | None = None) -> InForce:
    """How the person at this machine is called in the history.

    It is only what they chose: the names of the operating system (account, host) are not published.

    Args:
        key: their public key, whose short form stands for a name; None where they have none yet.
        given: what `--name` says.

    Raises:
        Refusal: for a name that cannot be written on one line of the history.
    """
    if given is not None:
        return InForce(usable_name(given), "--name")
    if (named := read_config().name) is not None:
        return InForce(usable_name(named), "config.toml")
    return InForce(key[:SHORT_KEY] if key else "", "the key's short form")


def usable_name(name: str) -> str:
    """A name as it is kept.

    Raises:
        Refusal: for one that is empty, too long, or has signs that cannot be printed.
    """
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Refusal(f"{name[:40]!r} is no name; use 1 to {LONGEST_NAME} printable characters")
    return name


def remote_in_force(given: str | None) -> InForce:
    """The address that a command talks to, and why.

    Raises:
        Refusal: for a name that is no remote.
    """
    config = None
    if given is not None:
        name, source = given, "--remote"
    elif os.environ.get("RATATOUILLE_REMOTE"):
        name, source = os.environ["RATATOUILLE_REMOTE"], "$RATATOUILLE_REMOTE"
    else:
        config = read_config()
        name, source = config.default, "config.toml" if config_file().exists() else "built in"
    if "://" in name or "/" in name or name.startswith((".", "~")):
        return InForce(name, source)
    if _HOST_AND_PORT.fullmatch(name):
        return InForce(_joined_address(name) or f"grpc://{name}", source)
    config = config or read_config()
    address = config.address(name)
    if address is None:
        known = ", ".join(sorted({"local", *config.remotes}))
        raise Refusal(
            f"there is no remote '{name}'; the remotes are {known}, and `ratatouille remote add {name} URL` adds one"
        )
    remembered = name not in config.remotes and ports_file(coordinator_folder()).exists()
    where = f", {ports_file(coordinator_folder())}" if remembered else ""
    return InForce(address, f"{source}, remote '{name}'{where}")


def _joined_address(host_and_port: str) -> str | None:
    """The whole address of a federation that this home has joined; None where it has not.

    Raises:
        Damaged: for a file that does not say it: what was joined through TLS is never spoken to without it.
    """
    path = federation_folder(host_and_port) / FEDERATION
    if not path.exists():
        return None
    return read_own(path, _Joined, "federation", REJOIN).address


class _Joined(BaseModel):
    """What is needed here of a federation; `ratatouille.federations` reads the rest of its file."""

    address: str
