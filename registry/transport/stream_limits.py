"""Limits on calls: how many there are in all, for each peer and for each key, and how long one may be silent or slow.

A peer is the other end of a connection; on loopback, the user of the operating system, where the system shows it. It
permits nothing: it only keeps one user from taking all places from the others.
"""

from __future__ import annotations

import ipaddress
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from ratatouille.errors import Unreachable

TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
_LOCAL, _USER = 1, 7
"""Columns of these tables."""


class StreamLimit:
    """Places for streams of one kind. No holder has more than its share, so that others always find some."""

    def __init__(self, what: str, most: int, shares: dict[str, int] | None = None) -> None:
        """`shares` says for a kind of holder ("peer", "key") how many places one of them may have."""
        self._what = what
        self._most = most
        self._shares = shares or {}
        self._taken = 0
        self._held: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def slot(self, **holders: str) -> Iterator[None]:
        """One place, in the name of some holders, until the block ends.

        Raises:
            Unreachable: when there is none.
        """
        self._take(holders)
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1
                for holder in holders.items():
                    self._held[holder] -= 1
                    if not self._held[holder]:
                        del self._held[holder]

    def _take(self, holders: dict[str, str]) -> None:
        with self._lock:
            if self._taken >= self._most:
                raise Unreachable(
                    f"the registry has {self._most} {self._what} already, which are the most; try again in a minute"
                )
            for kind, holder in holders.items():
                share = self._shares.get(kind, self._most)
                if self._held[kind, holder] >= share:
                    raise Unreachable(
                        f"this {kind} has {share} {self._what} already, which are the most for one; try again when one "
                        "of them has ended"
                    )
            self._taken += 1
            self._held.update(holders.items())


class _Watchdog:
    """A thread that ends a stream, unless the block ends first. A context manager."""

    def __init__(self, end: Callable[[], object]) -> None:
        self.expired = False
        """Whether it was this that ended the stream."""
        self._end = end
        self._over = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name=type(self).__name__.lower(), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        if self._runs_out():
            self.expired = True
            self._end()

    def _runs_out(self) -> bool:
        """Wait until the time of the stream is over (true), or the block (false)."""
        raise NotImplementedError


class Idle(_Watchdog):
    """Calls `end` once the other side was silent for `seconds`; call `heard` at each message of it."""

    def __init__(self, seconds: float, end: Callable[[], object]) -> None:
        super().__init__(end)
        self._seconds = seconds
        self._last: float | None = time.monotonic()

    def heard(self) -> None:
        """Begin to wait anew."""
        self._last = time.monotonic()

    def away(self) -> None:
        """Stop the clock until the next message: this side is busy, and the other one need not send anything."""
        self._last = None

    def _runs_out(self) -> bool:
        left = self._seconds
        while left > 0:
            if self._over.wait(left):
                return False
            last = self._last
            left = self._seconds if last is None else last + self._seconds - time.monotonic()
        return True


class LeastRate(_Watchdog):
    """Ends a stream whose other side moves fewer than `least` bytes while we wait `seconds` for it.

    Only the time that we wait for the other side counts; the work of this side may take as long as it takes.
    """

    def __init__(self, seconds: float, least: int, end: Callable[[], object]) -> None:
        super().__init__(end)
        self._seconds, self._least = seconds, least
        self._since: float | None = None
        self._waited, self._bytes = 0.0, 0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """From now on it is the other side's turn."""
        with self._lock:
            self._since = time.monotonic()

    def moved(self, count: int) -> None:
        """The other side did its part: so many bytes."""
        with self._lock:
            self._count_waiting(time.monotonic())
            self._since = None
            self._bytes += count

    def _count_waiting(self, now: float) -> None:
        if self._since is not None:
            self._waited += now - self._since
            self._since = now

    def _runs_out(self) -> bool:
        left = self._seconds
        while not self._over.wait(left):
            with self._lock:
                self._count_waiting(time.monotonic())
                if self._waited >= self._seconds:
                    if self._bytes < self._least:
                        return True
                    self._waited, self._bytes = 0.0, 0
                left = max(0.01, self._seconds - self._waited)
        return False


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
    """The user whose socket has this address at its own end; None where the system does not show it.

    A socket for both families, as gRPC makes it, is in the table of IPv6 with an address of IPv4 in it.
    """
    mapped = ipaddress.IPv6Address(f"::ffff:{address}") if address.version == 4 else address
    for one in dict.fromkeys((address, mapped)):
        if (user := _user_in(TABLES[one.version], f"{_words(one)}:{port:04X}")) is not None:
            return user
    return None


def _user_in(file: Path, wanted: str) -> int | None:
    try:
        with file.open() as table:
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
