"""Settings that an operator gave with `coordinator up --public`, kept as `public.toml` in the coordinator's folder."""

from __future__ import annotations

import os
import re
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import Field, field_validator, model_validator

from ratatouille.addresses import FRONT_DOOR_PORT
from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.record import Record
from ratatouille.settings import read_settings

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_NOT_PUBLIC = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "arpa")
_RESERVED = ("test", "example", "invalid", "onion")

Source = Literal["files", "acme", "own"]
"""Where the certificate comes from: the operator's files, an authority by ACME, or the door's own authority."""


class PublicSettings(Record):
    """The front door: its name and port, and where its certificate comes from."""

    name: str
    """A name of the DNS in lower case, or an address without brackets."""
    port: Annotated[int, Field(ge=1, le=65535)] = FRONT_DOOR_PORT
    own_proxy: bool = False
    """True: the operator's own proxy answers there, and no door is started."""
    proxy_user: str | None = None
    """The user of this machine that the own proxy works as; None for the coordinator's."""
    cert: str | None = None
    """File with the certificate and its chain, in PEM."""
    key: str | None = None
    acme_email: str | None = None
    acme_directory: str | None = None
    """Address of an ACME authority; None for Let's Encrypt."""
    acme_root: str | None = None
    """File with the certificate (PEM) of a private ACME authority."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of load balancers, whose word on the caller's address is believed."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not _is_address(name) and not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a host and no address")
        return name

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for one in proxies:
            ip_network(one)
        return proxies

    @field_validator("proxy_user")
    @classmethod
    def _is_a_user(cls, user: str | None) -> str | None:
        if user is not None:
            _user_id(user)
        return user

    @model_validator(mode="after")
    def _fits(self) -> PublicSettings:
        if (self.cert is None) != (self.key is None):
            raise ValueError("a certificate needs its key, and a key its certificate: give --cert and --key")
        if self.proxy_user is not None and not self.own_proxy:
            raise ValueError("--proxy-user says whom your own proxy works as: give --own-proxy too")
        acme = {self.acme_email, self.acme_directory, self.acme_root} != {None}
        if acme and self.cert is not None:
            raise ValueError("a certificate comes from --cert and --key, or by ACME, not both")
        if self.acme_root is not None and self.acme_directory is None:
            raise ValueError("--acme-root is for a private authority: name its --acme-directory too")
        if acme and _is_address(self.name) and self.acme_directory is None:
            raise ValueError(f"no certificate comes by ACME for the address {self.name}; use a name, or leave ACME out")
        return self

    @property
    def address(self) -> str:
        """NAME:PORT, as people and programs connect to it."""
        return f"{self.host}:{self.port}"

    @property
    def host(self) -> str:
        """The name as addresses have it: IPv6 in brackets."""
        return f"[{self.name}]" if ":" in self.name else self.name

    @property
    def by_address(self) -> bool:
        """Whether the name is an address."""
        return _is_address(self.name)

    @property
    def user_id(self) -> int:
        """Number of the user of this machine who passes calls on."""
        return os.getuid() if self.proxy_user is None else _user_id(self.proxy_user)

    @property
    def source(self) -> Source:
        """Where the certificate comes from: what was asked for, else ACME for a public name on port 443."""
        if self.cert is not None:
            return "files"
        asked = self.acme_email is not None or self.acme_directory is not None
        return "acme" if asked or (self.port == 443 and is_public_name(self.name)) else "own"


def _user_id(user: str) -> int:
    import pwd  # which Windows does not have

    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ValueError(f"this machine has no user {user!r}") from None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_public_name(name: str) -> bool:
    """Whether an authority of the web could know this name: one with a dot that is not of a private network."""
    if _is_address(name) or "." not in name:
        return False
    return name.rpartition(".")[2] not in (*_NOT_PUBLIC, *_RESERVED)


def name_and_port(text: str) -> tuple[str, int]:
    """What `--public` says: NAME, NAME:PORT, an address, or an IPv6 address in brackets with a port.

    Raises:
        Refusal: for anything else.
    """
    name, port = text, str(FRONT_DOOR_PORT)
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        name, _, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) or not name:
        raise Refusal(f"--public {text[:80]!r} is no NAME:PORT, such as ratatouille.example.org:8443 or 203.0.113.5")
    if _is_address(name) and ":" in name:
        name = str(IPv6Address(name))
    return name.lower().rstrip("."), int(port)


def public_file(folder: Path) -> Path:
    """The file with the settings of a coordinator's folder."""
    return folder / "public.toml"


def read_public(folder: Path) -> PublicSettings | None:
    """The front door that the coordinator of a folder was last started with; None for none."""
    path = public_file(folder)
    return read_settings(path, PublicSettings, "public") if path.exists() else None


def keep_public(folder: Path, public: PublicSettings | None) -> None:
    """Remember the front door, or that there is none."""
    if public is None:
        public_file(folder).unlink(missing_ok=True)
        return
    values = public.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    write_whole(public_file(folder), [tomli_w.dumps(values).encode()], private=True)
