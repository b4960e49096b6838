"""Proxies from the environment, and what they are not for: addresses of this machine itself.

Offices set `http_proxy`, `https_proxy`, `grpc_proxy` or `all_proxy` for everything. A proxy cannot reach the loopback
of the machine that asks it, so what our processes say to each other must go straight. All other addresses are reached
as the variables say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from ipaddress import ip_address

LOOPBACK = ("localhost", "127.0.0.1", "::1", "127.0.0.0/8")
"""Entries of `no_proxy`: names for programs that compare names, and the network for programs that know networks."""
_VARIABLES = ("no_proxy", "NO_PROXY")


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets or port, is this machine itself."""
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def without_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """The two variables that keep loopback from proxies; what the user has excepted stays excepted."""
    entries: list[str] = []
    for name in _VARIABLES:
        entries += [entry.strip() for entry in environment.get(name, "").split(",")]
    value = ",".join(dict.fromkeys(entry for entry in (*entries, *LOOPBACK) if entry))
    return dict.fromkeys(_VARIABLES, value)


def go_straight_to_loopback(environment: MutableMapping[str, str] = os.environ) -> None:
    """From now on, this process and its children reach loopback without a proxy."""
    environment.update(without_loopback(environment))
