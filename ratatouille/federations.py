"""The federations that the person of this home has joined: where each is, as whom, and which authority it has.

Each has a folder `federations/HOST_PORT` in the home folder: `federation.toml`, and `authority.pem` where its door has
a certificate of an authority of its own. That file is the pin: for this address no other authority is believed.
"""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path
from typing import Annotated

import tomli_w
from pydantic import Field, StringConstraints

from ratatouille.addresses import Address
from ratatouille.folders import write_whole
from ratatouille.home import (
    FEDERATION,
    REJOIN,
    Config,
    coordinator_folder,
    federation_folder,
    home,
    ports_file,
    read_config,
    read_own,
    write_config,
)
from ratatouille.record import Digest, Record

AUTHORITY = "authority.pem"


class Federation(Record):
    """One federation, as this home knows it: the contents of federation.toml."""

    address: str
    """`grpcs://host:port`, or `grpc://host:port` on this machine."""
    registry: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    """The id of its registry; sessions are opened with no other at this address."""
    member: Digest | None = None
    """The first key of the member that this home is there."""
    name: Annotated[str, Field(max_length=80)]
    """The name of that member."""
    role: str
    log: Digest | None = None
    """The key that signs the heads of its log, where the invitation named one."""


def federation_of(address: str) -> Federation | None:
    """The federation at an address; None where this home has not joined it.

    Raises:
        Refusal: for an address that is none, or a file that cannot be read.
    """
    path = _folder(address) / FEDERATION
    if not path.exists():
        return None
    found = read_own(path, Federation, "federation", REJOIN)
    # What was joined through TLS is never spoken to without it.
    return found if Address.parse(found.address) == Address.parse(address) else None


def federations() -> list[Federation]:
    """All federations that this home has joined, by address.

    Raises:
        Refusal: for a file that cannot be read.
    """
    files = sorted((home() / "federations").glob(f"*/{FEDERATION}"))
    return sorted((read_own(path, Federation, "federation", REJOIN) for path in files), key=lambda one: one.address)


def authority_of(address: str) -> Path | None:
    """The file with the pinned authority of an address; None where there is none."""
    path = _folder(address) / AUTHORITY
    return path if Address.parse(address).encrypted and path.exists() else None


def enter_federation(federation: Federation, authority: bytes | None) -> None:
    """Keep a federation that was joined, in place of what was known of its address.

    Args:
        federation: what it is.
        authority: the certificate of its authority, as PEM; None where its certificate is from a public one.
    """
    folder = _folder(federation.address)
    if authority is None:
        (folder / AUTHORITY).unlink(missing_ok=True)
    else:
        write_whole(folder / AUTHORITY, [authority], private=True)
    values = federation.model_dump(mode="json", exclude_none=True)
    write_whole(folder / FEDERATION, [tomli_w.dumps(values).encode()], private=True)


def leave_federation(address: str) -> None:
    """Forget the federation at an address, with its authority."""
    shutil.rmtree(_folder(address), ignore_errors=True)


def name_remote(address: str, name: str | None = None) -> str:
    """Make an address a named remote, and the default one where none is set; returns the name.

    What has a name already keeps it, and nobody's name is taken. A home with a coordinator of its own keeps that one
    as its default.

    Args:
        address: where the registry is.
        name: what it is to be called; by default as the first part of its host is called.
    """
    config = read_config()
    given = next((known for known, other in config.remotes.items() if other == address), None)
    if given is None:
        host = Address.parse(address).host.split(".")[0]
        wanted = name or re.sub(r"[^A-Za-z0-9-]", "-", host).strip("-") or "federation"
        names = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2)))
        given = next(one for one in names if one != "local" and one not in config.remotes)
    changes: dict[str, object] = {"remotes": {**config.remotes, given: address}}
    if "default" not in config.model_fields_set and not ports_file(coordinator_folder()).exists():
        changes["default"] = given
    write_config(Config.model_validate(config.model_dump(exclude_unset=True) | changes))
    return given


def _folder(address: str) -> Path:
    return federation_folder(Address.parse(address).host_and_port)
