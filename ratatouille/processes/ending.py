"""The end of processes: on signals, after a stated time by force, and with the process that owns them.

Signals that ask a service to end set an event. A handler that sets the event itself can wait for ever: `Event.set`
takes a lock, and the main thread, in which Python runs handlers, may hold it just then inside of `Event.wait`. Logging
has locks too. So the handlers here do nothing. The interpreter writes each signal's number into a pipe, which is safe
at any moment and also while the main thread is busy in a library; a thread reads the pipe and sets the event.

`process_pool` is a pool that ends at once when its owner is interrupted. The standard pool waits for all work that was
handed in, which may be hours of training, and on Ctrl-C each idle worker prints a traceback. Here workers ignore
Ctrl-C. They end when their owner is gone, and when it leaves the pool by an exception. On Linux a server that has
imported what the workers need forks them: torch takes seconds to import, which every worker would spend.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1") if hasattr(signal, name))
"""What asks a service to end: `kill`, Ctrl-C, a terminal that was closed, and a scheduler such as Slurm whose time
limit comes (`--signal=USR1`). Windows has the first two only."""
_NUMBERS = frozenset(int(number) for number in ENDING)
_LOOK_SECONDS = 0.5
_APART_SECONDS = 0.5
"""Signals that come closer together count as one: a terminal may send several."""


def stop_on_signals(seconds: float, second_ends: bool = False) -> threading.Event:
    """An event that SIGTERM, SIGINT, SIGHUP and SIGUSR1 set, however many come and in any order.

    Call it once, in the main thread, before the service starts anything. SIGHUP stays ignored where it was ignored
    from the beginning, which is what `nohup` asks for.

    Args:
        seconds: how long the service may take to end after the first signal. Then the process ends with code 1, and
            its reapers end its children.
        second_ends: a second Ctrl-C, half a second after the first signal or later, ends the process at once; its
            reapers ask its children to end.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in ENDING:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _nothing)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    stop = threading.Event()
    threading.Thread(target=_listen, args=(reading, stop, seconds, second_ends), name="signals", daemon=True).start()
    return stop


def end_at_once_on_signals() -> None:
    """For a process that has nothing to put in order: the first signal ends it, without unwinding anything."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)


def leave_signals_to_owner() -> None:
    """For a worker of a pool: Ctrl-C reaches it too, but its owner decides when it ends."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def end_with_owner(owner: int) -> None:
    """End this process, at once and with code 1, soon after its parent is no longer the process `owner`.

    An owner that is killed cannot end its children, and a process in a session of its own gets no signal of the
    terminal.
    """
    threading.Thread(target=_watch, args=(owner,), daemon=True).start()


def _nothing(*_: object) -> None:
    """A handler must exist, so that the interpreter writes into the pipe and the default action does not happen."""


def _listen(reading: int, stop: threading.Event, seconds: float, second_ends: bool) -> None:
    while not _NUMBERS.intersection(os.read(reading, 4096)):
        pass  # another signal with a handler
    stop.set()
    first = time.monotonic()
    while (left := first + seconds - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            again = signal.SIGINT in os.read(reading, 4096)
            if second_ends and again and time.monotonic() - first > _APART_SECONDS:
                os._exit(128 + signal.SIGINT)
    sentence = f"process {os.getpid()} did not end within {seconds:.0f} seconds; it is ended by force\n"
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, sentence.encode())
    os._exit(1)


def _watch(owner: int) -> None:
    while os.getppid() == owner:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


@contextmanager
def process_pool(
    workers: int,
    begin: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
    imports: Sequence[str] = (),
) -> Iterator[ProcessPoolExecutor]:
    """A pool of so many processes; `begin` is called in each of them with the arguments.

    They are spawned, each with nothing in memory yet. With `imports` they are forked from a server that has imported
    these modules, which all pools of this process share; the first pool's modules are those that it has.

    When the block ends by an exception, work that was not done is dropped and the workers end.
    """
    others = set(multiprocessing.active_children())
    context: BaseContext = multiprocessing.get_context("spawn")
    if imports and _has_fork_server():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(imports))
    # the server has the environment of its first pool
    pool = ProcessPoolExecutor(workers, context, _begin, (begin, arguments, dict(os.environ)))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        workers_now = set(multiprocessing.active_children()) - others
        for process in workers_now:
            process.kill()
        for process in workers_now:
            process.join()
        raise
    finally:
        pool.shutdown()


def _has_fork_server() -> bool:
    """On Linux; libraries of macOS do not bear a fork. Python 3.11.0 opens the server to every user of the machine
    (CVE-2022-42919), and the path of its socket in the folder for temporary files may have 107 bytes.
    """
    return sys.platform == "linux" and sys.hexversion >= 0x030B01F0 and len(os.fsencode(tempfile.gettempdir())) < 70


def _begin(begin: Callable[..., None] | None, arguments: tuple[Any, ...], environment: Mapping[str, str]) -> None:
    leave_signals_to_owner()
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with(owner: BaseProcess | None) -> None:
    """Workers would outlive an owner that is killed, waiting for work for ever."""
    assert owner is not None
    owner.join()
    os._exit(1)
