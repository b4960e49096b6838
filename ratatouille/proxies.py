"""Proxies from the environment: one rule for both lanes, and none for addresses of this machine itself.

gRPC by itself reads the lower-case variables only, and httpx, which Flower's SuperNode uses, reads them another way. So
the rule stands here. `proxy_for` says which proxy an address is reached by. The registry's client gives it to gRPC, and
`only_proxy` writes it into the environment of a SuperNode.

A proxy cannot reach the loopback of the machine that asks it, so what our processes say to each other goes straight.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from ratatouille.errors import Refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1", "127.0.0.0/8")
"""Entries of `no_proxy`: names for programs that compare names, and the network for programs that know networks."""
_EXCEPTIONS = ("no_proxy", "NO_PROXY")
_TLS = ("grpc_proxy", "https_proxy", "HTTPS_PROXY")
_PLAIN = ("http_proxy", "HTTP_PROXY")
_ALL = ("all_proxy", "ALL_PROXY")


def host_and_port(host: str, port: int) -> str:
    """`host:port`, with brackets where the host is an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class Proxy:
    """A proxy that takes CONNECT."""

    variable: str
    """The environment variable that names it."""
    host: str
    port: int
    user: str | None = None
    password: str | None = None

    @property
    def url(self) -> str:
        """Its address with the password, for programs; never to be shown."""
        return f"http://{self._login}{self.host_and_port}"

    @property
    def host_and_port(self) -> str:
        """Its address without user and password, for people."""
        return host_and_port(self.host, self.port)

    @property
    def _login(self) -> str:
        return "" if self.user is None else f"{self.user}{'' if self.password is None else f':{self.password}'}@"

    @property
    def login(self) -> str | None:
        """`user:password` as it is meant, for the header; None where it wants none."""
        return unquote(self._login.removesuffix("@")) or None


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets or port, is this machine itself."""
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_for(
    host: str, port: int, encrypted: bool = True, environment: Mapping[str, str] | None = None
) -> Proxy | None:
    """The proxy that an address is reached by; None where it is reached straight.

    Args:
        host: without brackets.
        port: the port there.
        encrypted: whether TLS is spoken; `http_proxy` counts only where it is not.
        environment: the variables, by default this process's. Of two spellings the lower-case one counts.

    Raises:
        Refusal: for a proxy that speaks something other than HTTP, or that cannot be read.
    """
    environment = os.environ if environment is None else environment
    if is_loopback(host) or _excepted(host.lower().rstrip("."), port, environment):
        return None
    variables = (*_TLS, *_ALL) if encrypted else (*_TLS, *_PLAIN, *_ALL)
    for variable in variables:
        if said := environment.get(variable, "").strip():
            return _parse(variable, said)
    return None


def _parse(variable: str, said: str) -> Proxy:
    try:
        parts = urlsplit(said if "://" in said else f"http://{said}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host = None
    if host is None:  # the text may have a password, so it is not shown
        raise Refusal(f"the variable {variable} names no proxy that can be read; write http://host:port")
    if parts.scheme != "http":
        raise Refusal(
            f"the variable {variable} names a proxy of kind {parts.scheme}://, and only http:// proxies are used; name "
            "one of those, or put the registry's host into NO_PROXY"
        )
    return Proxy(variable, host, port, parts.username, parts.password)


def _excepted(host: str, port: int, environment: Mapping[str, str]) -> bool:
    return any(_matches(entry, host, port) for entry in _entries(environment))


def _matches(entry: str, host: str, port: int) -> bool:
    """Whether an entry of `no_proxy` means a host: its name, a domain above it, a network, `*`, any with a port."""
    if entry == "*":
        return True
    entry = entry.lower()
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    if with_port := re.fullmatch(r"(\[[^]]+\]|[^:]+):(\d+)", entry):
        return int(with_port[2]) == port and _matches(with_port[1], host, port)
    domain = entry.removeprefix("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _entries(environment: Mapping[str, str]) -> list[str]:
    """The exceptions in both spellings, each once, in order."""
    entries = [entry for name in _EXCEPTIONS for entry in re.split(r"[,\s]+", environment.get(name, ""))]
    return list(dict.fromkeys(entry for entry in entries if entry))


def without_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """The two variables that keep loopback from proxies; what the user has excepted stays excepted."""
    value = ",".join(dict.fromkeys((*_entries(environment), *LOOPBACK)))
    return dict.fromkeys(_EXCEPTIONS, value)


def go_straight_to_loopback(environment: MutableMapping[str, str] = os.environ) -> None:
    """From now on, this process and its children reach loopback without a proxy."""
    environment.update(without_loopback(environment))


def only_proxy(proxy: Proxy | None) -> dict[str, str]:
    """All variables about proxies for a program that talks to one address and to loopback.

    Empty ones count as unset. So the program reaches the address as `proxy_for` says, whatever it reads by itself.
    """
    chosen = "" if proxy is None else proxy.url
    return dict.fromkeys((*_TLS, *_PLAIN, *_ALL), chosen) | dict.fromkeys(_EXCEPTIONS, ",".join(LOOPBACK))
