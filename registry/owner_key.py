"""The owner's key of a running registry: a file that makes its user of the operating system the owner.

A service makes a key when it starts, and writes it to `access/PORT.json` in the home folder, readable by its user only.
A client of the same home finds it there and opens sessions with it, so there is nothing to type. Another user, or
another home, has no such file and is a stranger. A file that a killed service left behind is useless, since no other
service knows that key.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from ratatouille.addresses import Address
from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import RegistryId
from ratatouille.exchange.signing import Signer
from ratatouille.folders import write_whole
from ratatouille.home import home
from ratatouille.platforms import POSIX
from ratatouille.record import Record

FOLDER = "access"
_log = logging.getLogger("registry")


class OwnerKey(Record):
    """The contents of the file."""

    registry: RegistryId
    """The id of the registry that made it; a client signs for no other."""
    host: str
    """The loopback address where the service listens. Another program may use the same port at another address."""
    seed: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Field(repr=False)]

    @property
    def signer(self) -> Signer:
        """The key."""
        return Signer.of_seed(bytes.fromhex(self.seed))


def new_seed() -> str:
    """A new key, in hexadecimal."""
    return secrets.token_hex(32)


def owner_key_file(port: int) -> Path:
    """The path of the key of the service at a port of loopback."""
    return home() / FOLDER / f"{port}.json"


def write_owner_key(port: int, key: OwnerKey) -> Path | None:
    """Write the key of a service that is about to answer; None, and a line in the log, where that fails."""
    try:
        path = owner_key_file(port)
        write_whole(path, [key.to_json()], private=True)
    except Refusal as refusal:
        _log.warning("nobody can call this registry as its owner: %s", refusal)
        return None
    return path


def remove_owner_key(path: Path, key: OwnerKey) -> None:
    """Remove the key of a service that ends, unless the file is another service's by now."""
    with suppress(OSError):
        if path.read_bytes() == key.to_json():
            path.unlink()


def read_owner_key(address: Address) -> OwnerKey | None:
    """The key of the service at an address of loopback; None where this home has none.

    Raises:
        Refusal: for a file that is another user's, open to others, or no such key.
    """
    if address.encrypted or not address.is_loopback or not POSIX:
        return None
    path = owner_key_file(address.port)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refusal(f"the owner's key in '{path}' cannot be read: {error.strerror}; remove that file") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.getuid() or found.st_mode & 0o077 or not stat.S_ISREG(found.st_mode):
            raise Refusal(
                f"the owner's key in '{path}' is another user's, or open to others, so it is not believed; remove that "
                "file, and start the registry anew"
            )
        data = file.read(2000)
    try:
        key = OwnerKey.model_validate(json.loads(data))
    except ValueError as error:
        raise Refusal(f"'{path}' holds no owner's key; remove that file, and start the registry anew") from error
    return key if address.host in (key.host, "localhost") else None


def literal(url: str) -> str:
    """The same address, with `localhost` replaced by the loopback address in this home's owner key, if it has one.

    The name may resolve to another loopback address, where another user's program could pass on what is signed.
    """
    address = Address.parse(url)
    if address.host != "localhost":
        return url
    with suppress(Refusal):
        if (key := read_owner_key(address)) is not None:
            return str(Address(key.host, address.port, encrypted=False))
    return url
