"""The outbox of a node: an append-only log of everything that left its machine, for its owner.

Every message is logged before it goes. A message that cannot be logged does not go. What is repeated (renewals of an
offer or a lease, questions to the registry, pieces of one file) is one line when it first goes. Later ones are counted,
and one more line says how many there were and how many bytes they had.

A line is JSON, written at once and synced; a line that a crash cut is passed over when the log is read. The log is
bounded: `FILES` files of `FILE_BYTES` bytes at most, the oldest is removed. All are their owner's alone (0600).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from ratatouille.addresses import Address
from ratatouille.errors import Refusal, Unreachable
from ratatouille.federations import federation_of
from ratatouille.folders import make_private, write_whole
from ratatouille.processes.locks import locked
from ratatouille.record import Digest, Record

_log = logging.getLogger(__name__)
FILE_BYTES = 8 * 2**20
FILES = 5
"""The log keeps the newest 32 to 40 MiB, more than a hundred thousand lines."""
COUNT_SECONDS = 600.0
"""Repeated messages are counted for so long before a line says how many there were."""
OUTBOX = "outbox"
"""The folder of the log, in the node's folder."""
_NEWEST, _RECEIPT, _LOCK = "sent.jsonl", "receipt.json", "lock"


class Sent(Record):
    """A line of the log: one message that left, or how often the same was repeated."""

    at: NonNegativeFloat
    """When it left; of several, when the first of them did."""
    until: Annotated[float | None, Field(exclude_if=lambda until: until is None)] = None
    """When the last of several left; None for a single message."""
    kind: str
    """The kind of message: `offer`, `lease`, `receipt`, `weights`, `counts`, `question` …"""
    about: str = ""
    """The question, the method or the path that it is about."""
    sha256: Digest | None = None
    """Digest of the record or of the weights."""
    times: PositiveInt = 1
    bytes: NonNegativeInt
    """Bytes of the messages, without what the network puts around them."""
    to: str
    """The address that it was sent to."""
    registry: Annotated[str | None, Field(exclude_if=lambda registry: registry is None)] = None
    """Id of the registry at that address, if this machine knows it."""


@dataclass(frozen=True)
class Message:
    """A message that is about to leave; `bytes` is its length."""

    kind: str
    bytes: int
    about: str = ""
    digest: str | None = None
    same_as: str = ""
    """Messages of one kind with the same text here are repetitions of the first one."""


@dataclass
class _Count:
    """Repetitions that no line has yet."""

    first: Sent
    since: float
    last: float
    times: int = 0
    bytes: int = 0


class Outbox:
    """The log in one folder, as one process writes it; several processes may. Bears calls from several threads."""

    def __init__(
        self, folder: Path, to: str, registry: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """`to` is the address of what is sent by this process, `registry` the id of the registry there."""
        self.folder = folder
        self._to, self._registry, self._clock = to, registry, clock
        self._counts: dict[tuple[str, str], _Count] = {}
        self._changing = threading.Lock()

    def log(self, message: Message) -> None:
        """Log a message; call it before the message leaves.

        Raises:
            Unreachable: when it cannot be logged; the message must not leave then, and may be tried again.
        """
        now = self._clock()
        key = (message.kind, message.same_as or f"{message.about} {message.digest}")
        with self._changing:
            self._write_counts(lambda count: now - count.since >= COUNT_SECONDS)
            count = self._counts.get(key)
            if count is None:
                sent = Sent(
                    at=now,
                    kind=message.kind,
                    about=message.about,
                    sha256=message.digest,
                    bytes=message.bytes,
                    to=self._to,
                    registry=self._registry,
                )
                self._append([sent])
                self._counts[key] = _Count(sent, now, now)
            else:
                if not count.times:
                    count.since = now
                count.last, count.times, count.bytes = now, count.times + 1, count.bytes + message.bytes

    def flush(self) -> None:
        """Write a line about every repetition that was counted; on a full disk they are counted on."""
        try:
            with self._changing:
                self._write_counts(lambda _: True)
        except Unreachable as error:
            _log.warning("repeated messages are in the log without their number: %s", error)

    def keep_receipt(self, sealed: bytes) -> None:
        """Keep the receipt that is about to leave, in place of the one before, for `node preview --last`.

        Raises:
            Unreachable: when it cannot be written.
        """
        try:
            write_whole(self.folder / _RECEIPT, [sealed], private=True)
        except Refusal as error:
            raise _unwritten(self.folder, str(error)) from error

    def _write_counts(self, due: Callable[[_Count], bool]) -> None:
        """Write the counts that are due. What was not repeated for a while is forgotten, and is new the next time."""
        found = {key: one for key, one in self._counts.items() if due(one)}
        self._append(
            one.first.model_copy(update={"at": one.since, "until": one.last, "times": one.times, "bytes": one.bytes})
            for one in found.values()
            if one.times
        )
        for key, one in found.items():
            if one.times:
                self._counts[key] = _Count(one.first, one.last, one.last)
            else:
                del self._counts[key]

    def _append(self, lines: Iterable[Sent]) -> None:
        data = b"".join(one.to_json() + b"\n" for one in lines)
        if not data:
            return
        try:
            make_private(self.folder)
            with locked(self.folder / _LOCK, wait=True):
                path = self.folder / _NEWEST
                _make_room(path, len(data))
                descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    size = os.fstat(descriptor).st_size
                    if size and os.pread(descriptor, 1, size - 1) != b"\n":
                        data = b"\n" + data  # a crash cut the last line
                    if os.write(descriptor, data) < len(data):
                        raise OSError("the disk is full")
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise _unwritten(self.folder, error.strerror or str(error)) from error


def outbox_of(node: Path, address: str) -> Outbox:
    """The log in a node's folder for messages to a registry at an address, with its id if this home knows it."""
    federation = federation_of(address) if Address.of(address) else None
    return Outbox(node / OUTBOX, address, federation.registry if federation else None)


def sent_messages(folder: Path) -> Iterator[Sent]:
    """The lines of a log, the oldest first; none where there is no log."""
    for path in reversed(_files(folder / _NEWEST)):
        with suppress(FileNotFoundError), path.open("rb") as lines:
            for line in lines:
                with suppress(Refusal):  # a crash cut it
                    yield Sent.from_json(line)


def last_receipt(folder: Path) -> bytes | None:
    """The sealed receipt that left last, or was about to; None where there was none."""
    try:
        return (folder / _RECEIPT).read_bytes()
    except FileNotFoundError:
        return None


def together(lines: Iterable[Sent]) -> list[Sent]:
    """The lines with each message and its repetitions as one, in the order in which they first left."""
    found: dict[tuple[object, ...], Sent] = {}
    for one in lines:
        key = (one.kind, one.about, one.sha256, one.to)
        before = found.get(key)
        found[key] = (
            one
            if before is None
            else before.model_copy(
                update={
                    "until": max(one.until or one.at, before.until or before.at),
                    "times": before.times + one.times,
                    "bytes": before.bytes + one.bytes,
                }
            )
        )
    return list(found.values())


def _files(newest: Path) -> list[Path]:
    """Every file of the log, the newest first."""
    return [newest, *(newest.with_name(f"sent.{number}.jsonl") for number in range(1, FILES))]


def _make_room(newest: Path, more: int) -> None:
    """Begin a new file where so many bytes more are too many for this one; the oldest file goes."""
    if not newest.exists() or newest.stat().st_size + more <= FILE_BYTES:
        return
    files = _files(newest)
    for older, newer in zip(reversed(files[1:]), reversed(files[:-1]), strict=True):
        with suppress(FileNotFoundError):
            newer.replace(older)


def _unwritten(folder: Path, why: str) -> Unreachable:
    return Unreachable(
        f"nothing leaves this node, since its log '{folder}' cannot be written: {why}; free some space, or give the "
        "folder back to its owner"
    )
