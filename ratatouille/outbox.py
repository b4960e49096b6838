"""The outbox of a node: an append-only log of every message that left its machine, for its owner.

Every message is logged before it is sent, and a message that cannot be logged is not sent. Messages that repeat
(renewals of an offer or a lease, questions to the registry, pieces of one file) have one line for the first of them.
The others are counted, and one more line says how many they were and how many bytes they had.

A line is JSON, written in one piece and synced; a reader passes over a line that a crash cut. The log has at most
`FILES` files of `FILE_BYTES` bytes, and the oldest file is removed. Only the owner can read them (0600).
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


class SentMessage(Record):
    """A line of the log: one message that was sent, or a number of repetitions of it."""

    at: NonNegativeFloat
    """When it was sent; of several, when the first of them was."""
    until: Annotated[float | None, Field(exclude_if=lambda until: until is None)] = None
    """When the last of several was sent; None for a single message."""
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
    """A message that is about to be sent; `bytes` is its length."""

    kind: str
    bytes: int
    about: str = ""
    digest: str | None = None
    same_as: str = ""
    """A text: of the messages of a kind that have it, all but the first are repetitions."""


@dataclass
class _Count:
    """Repetitions that have no line yet."""

    first: SentMessage
    since: float
    last: float
    times: int = 0
    bytes: int = 0


class Outbox:
    """The log in one folder. Several processes, and several threads of each, may write it at the same time."""

    def __init__(
        self, folder: Path, to: str, registry: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """`to` is the address of what is sent by this process, `registry` the id of the registry there."""
        self.folder = folder
        self._to, self._registry, self._clock = to, registry, clock
        self._counts: dict[tuple[str, str], _Count] = {}
        self._changing = threading.Lock()

    def log(self, message: Message) -> None:
        """Log a message; call it before the message is sent.

        Raises:
            Unreachable: when it cannot be logged; then do not send the message, but try again later.
        """
        now = self._clock()
        key = (message.kind, message.same_as or f"{message.about} {message.digest}")
        with self._changing:
            self._write_counts(lambda count: now - count.since >= COUNT_SECONDS)
            count = self._counts.get(key)
            if count is None:
                sent = SentMessage(
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
        """Write a line for each count of repetitions. On a full disk the counts stay, and counting goes on."""
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
        """Write the counts that are due. A message without repetitions is forgotten."""
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

    def _append(self, lines: Iterable[SentMessage]) -> None:
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


def sent_messages(folder: Path) -> Iterator[SentMessage]:
    """The lines of a log, the oldest first; none where there is no log."""
    for path in reversed(_files(folder / _NEWEST)):
        with suppress(FileNotFoundError), path.open("rb") as lines:
            for line in lines:
                with suppress(Refusal):  # a crash cut it
                    yield SentMessage.from_json(line)


def last_receipt(folder: Path) -> bytes | None:
    """The sealed receipt that left last, or was about to; None where there was none."""
    try:
        return (folder / _RECEIPT).read_bytes()
    except FileNotFoundError:
        return None


def merge_repetitions(lines: Iterable[SentMessage]) -> list[SentMessage]:
    """The lines, each message with its repetitions as one line, in the order of the first messages."""
    found: dict[tuple[object, ...], SentMessage] = {}
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
    """The paths of all files of the log, the newest first."""
    return [newest, *(newest.with_name(f"sent.{number}.jsonl") for number in range(1, FILES))]


def _make_room(newest: Path, more: int) -> None:
    """Begin a new file where the newest has no room for so many bytes more; the oldest file is removed."""
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
