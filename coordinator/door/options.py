"""The options of `coordinator up` about the front door, and what they come to beside what the folder remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from coordinator.door.settings import PublicSettings, name_and_port, read_public
from ratatouille.addresses import FRONT_DOOR_PORT
from ratatouille.errors import Refusal
from ratatouille.record import first_problem

Public = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[:PORT]",
        help=f"Let other hosts in, by this name or address, over TLS (default port: {FRONT_DOOR_PORT}). The folder "
        "remembers it, with the options beside it.",
    ),
]
NoPublic = Annotated[bool, typer.Option("--no-public", help="Loopback only again.")]
Cert = Annotated[
    Path | None, typer.Option(help="With --public: certificate with its chain, in PEM; read again when it changes.")
]
Key = Annotated[Path | None, typer.Option(help="With --cert: its private key, in PEM.")]
AcmeEmail = Annotated[
    str | None,
    typer.Option(help="With --public: get the certificate by ACME (Let's Encrypt), with this address for its account."),
]
AcmeDirectory = Annotated[str | None, typer.Option(help="With --public: get it by ACME from another authority.")]
AcmeRoot = Annotated[Path | None, typer.Option(help="With --acme-directory: certificate of a private authority.")]
TrustedProxy = Annotated[
    list[str] | None,
    typer.Option(help="With --public: a load balancer before the door, whose X-Forwarded-For is believed; repeatable."),
]
OwnProxy = Annotated[
    bool, typer.Option(help="With --public: start no door; a proxy of yours answers there (`coordinator proxy`).")
]
ProxyUser = Annotated[
    str | None,
    typer.Option(
        metavar="USER",
        help="With --own-proxy: whom your proxy works as on this machine (default: you); its X-Forwarded-For is "
        "believed.",
    ),
]


def public_in_force(folder: Path, public: str | None, no_public: bool, **beside: Any) -> PublicSettings | None:
    """The front door to start: what was asked for now, else that of last time.

    Args:
        folder: the coordinator's.
        public: what `--public` says.
        no_public: whether there is to be none.
        beside: the options that belong to `--public`, by the names of their settings.

    Raises:
        Refusal: for options that do not fit together.
    """
    given = {name: _plain(value) for name, value in beside.items() if value}
    if no_public:
        if public is not None or given:
            raise Refusal("--no-public takes the front door away; leave out --public and the options that belong to it")
        return None
    if public is None:
        if given:
            raise Refusal(f"--{next(iter(given)).replace('_', '-')} belongs to --public NAME:PORT; give both")
        return read_public(folder)
    name, port = name_and_port(public)
    try:
        return PublicSettings.model_validate({"name": name, "port": port, **given})
    except ValidationError as error:
        raise Refusal(f"this front door cannot be: {first_problem(error)}") from error


def _plain(value: Any) -> Any:
    return (
        str(value.expanduser().resolve())
        if isinstance(value, Path)
        else tuple(value)
        if isinstance(value, list)
        else value
    )
