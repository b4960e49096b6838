"""Peers: the other end of a connection, as far as the system tells; on loopback, the user of the operating system.

Nothing is allowed because of it. It only keeps one user from taking all places from the others.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from urllib.parse import unquote

TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
_LOCAL, _USER = 1, 7
"""Columns of these tables."""


def peer_name(peer: str) -> str:
    """A name for the other end of a gRPC connection.

    Args:
        peer: what gRPC says, such as `ipv4:127.0.0.1:50312` or `ipv6:%5B::1%5D:50312`.

    Returns:
        `user 1000` for a connection from this machine where the system tells (Linux), else the address without its
        port, else what gRPC said.
    """
    kind, _, rest = unquote(peer).partition(":")
    host, _, port = rest.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
        number = int(port)
    except ValueError:
        return peer[:80]
    user = _user(address, number) if kind in ("ipv4", "ipv6") and address.is_loopback else None
    return f"user {user}" if user is not None else str(address)


def _user(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> int | None:
    """The user whose socket has this address at its own end; None where the system does not tell."""
    wanted = f"{_words(address)}:{port:04X}"
    try:
        with TABLES[address.version].open() as table:
            for line in table:
                columns = line.split()
                if columns[_LOCAL] == wanted:
                    return int(columns[_USER])
    except (OSError, ValueError, IndexError):
        return None
    return None


def _words(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An address as the kernel's tables write it: words of four bytes, each in the machine's order."""
    packed = address.packed
    words = [packed[start : start + 4] for start in range(0, len(packed), 4)]
    return "".join((word[::-1] if sys.byteorder == "little" else word).hex().upper() for word in words)
