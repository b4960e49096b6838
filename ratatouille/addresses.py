"""Addresses of registries that are services: `grpc://host:port` on this machine, `grpcs://host:port` through TLS."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ratatouille.errors import Refusal
from ratatouille.proxies import host_and_port, is_loopback

FRONT_DOOR_PORT = 8443
"""The port of a front door whose address names none."""
FORMS = "grpcs://host:port or grpc://host:port"
"""How an address is written, for refusals."""


@dataclass(frozen=True)
class Address:
    """The address of a service."""

    host: str
    """Without brackets, in lower case."""
    port: int
    encrypted: bool
    """Whether it is reached through TLS."""

    @classmethod
    def of(cls, url: str) -> Address | None:
        """The address that a text is; None where it is none."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return None
        more = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
        if parts.scheme not in ("grpc", "grpcs") or not host or not port or more:
            return None
        return cls(host, port, parts.scheme == "grpcs")

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address that a text is.

        Raises:
            Refusal: when it is none.
        """
        address = cls.of(url)
        if address is None:
            raise Refusal(f"{url!r} is no address of a registry; use {FORMS}")
        return address

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(self.host)

    @property
    def host_and_port(self) -> str:
        """`host:port`, with brackets where the host is an IPv6 address."""
        return host_and_port(self.host, self.port)

    def __str__(self) -> str:
        return f"{'grpcs' if self.encrypted else 'grpc'}://{self.host_and_port}"
