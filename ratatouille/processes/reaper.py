"""A small process that holds one command, and ends the command's whole family when its owner is gone.

Run as `python -I -S reaper.py OWNER_PID GRACE LOG LIMIT COMMAND…`; standard library only, so that it starts in
milliseconds. It stands between a service and a child because children start children (Flower's SuperLink starts an
executor in a session of its own, and that one a ServerApp), and kill -9 lets no handler run. On Linux it adopts every
orphan of the family (PR_SET_CHILD_SUBREAPER), so the family stays one tree that can be ended. It exits as the command
did. The command's output goes through it into LOG, which keeps between one and two times LIMIT bytes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_OWNER_DIED = signal.SIGUSR1


def main(arguments: list[str]) -> int:
    """Run the command until it, or the owner, ends; the exit code is the command's (128 + n after signal n)."""
    owner, grace, log, limit = int(arguments[0]), float(arguments[1]), Path(arguments[2]), int(arguments[3])
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # The kernel sends this when the *thread* that started us ends, so it is a hint to look, never a proof.
    _prctl(_PR_SET_PDEATHSIG, _OWNER_DIED)
    wake, signals = _wake_on(signal.SIGCHLD, _OWNER_DIED, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    child, output = _spawn(arguments[4:])
    writer = BoundedLog(log, limit)
    watched = [wake, output]
    deadline: float | None = None
    while (status := _reap(child)) is None:
        readable, _, _ = select.select(watched, [], [], 0.5)
        if wake in readable:
            signals.update(os.read(wake, 256))
        if output in readable:
            if printed := os.read(output, 65536):
                writer.write(printed)
            else:
                watched.remove(output)
        if deadline is None and (os.getppid() != owner or signals & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}):
            deadline = time.monotonic() + grace
            _signal(child, signal.SIGTERM)
        if deadline is not None and time.monotonic() > deadline:
            _signal(child, signal.SIGKILL)
    end_family(grace=min(grace, 1.0))
    os.set_blocking(output, False)
    while rest := _read_rest(output):
        writer.write(rest)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


class BoundedLog:
    """Appends to a file; past the limit the file becomes `NAME.1`, replacing the one before."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Append. A full disk must not end the command, so what cannot be written is dropped."""
        try:
            if self._file.tell() + len(data) > self._limit:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._path.open("ab", buffering=0)
            self._file.write(data)
        except (OSError, ValueError):
            pass


def end_family(grace: float) -> None:
    """Ask every descendant to end, then make it; on Linux none can hide, because orphans come to us."""
    deadline = time.monotonic() + grace
    asked: set[int] = set()
    while family := descendants(os.getpid()):
        for pid in family:
            if time.monotonic() > deadline:
                _signal(pid, signal.SIGKILL)
            elif pid not in asked:
                asked.add(pid)
                _signal(pid, signal.SIGTERM)
        time.sleep(0.02)
        _reap_orphans()


def descendants(ancestor: int) -> list[int]:
    """Process ids of all living descendants (Linux; empty elsewhere), children before grandchildren."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may be any bytes, and is cut anywhere.
            state, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(entry.parent.name))
    found = list(children.get(ancestor, ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _spawn(command: list[str]) -> tuple[int, int]:
    """Fork and become the command; returns its id and the end of the pipe that reads what it prints."""
    reading, writing = os.pipe()
    reaper = os.getpid()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != reaper:
            os._exit(127)
        for known in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, _OWNER_DIED, signal.SIGPIPE):
            signal.signal(known, signal.SIG_DFL)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    os._exit(127)


def _wake_on(*signals: signal.Signals) -> tuple[int, set[int]]:
    """A pipe that becomes readable on these signals, and the set that collects their numbers."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for known in signals:
        signal.signal(known, lambda *_: None)
    return reading, set()


def _reap(child: int) -> int | None:
    """The child's wait status once it has ended; orphans that came to us are collected on the way."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if pid == child:
            return status
        if pid == 0:
            return None


def _reap_orphans() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _read_rest(output: int) -> bytes:
    try:
        return os.read(output, 65536)
    except BlockingIOError:
        return b""


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    """Ask the kernel; elsewhere than on Linux the owner's id is watched instead, and orphans of orphans may survive."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, int(value), 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
