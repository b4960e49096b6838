"""A pool of worker processes that ends at once when its owner is interrupted.

The standard pool waits for all work that was handed in, which may be hours of training, and on Ctrl-C each idle worker
prints a traceback. Here workers ignore Ctrl-C. They end when their owner is gone, and when it leaves the pool by an
exception.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from ratatouille.processes.signals import leave_signals_to_owner


@contextmanager
def process_pool(
    workers: int, begin: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool of so many spawned processes; `begin` is called in each of them with the arguments.

    When the block ends by an exception, work that was not done is dropped and the workers end.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(begin, arguments)
    )
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


def _begin(begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    leave_signals_to_owner()
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with(owner: BaseProcess | None) -> None:
    """Workers would outlive an owner that is killed, waiting for work for ever."""
    assert owner is not None
    owner.join()
    os._exit(1)
