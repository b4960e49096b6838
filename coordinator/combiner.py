"""Combinations and inspections that the registry computes while a round goes on: one at a time, in their own thread.

An average of large weights takes minutes. A round that waited for it would send no order, read no reply and notice no
cancellation meanwhile. Nothing is kept here that the registry does not know: a round that goes on after its process
was killed asks the same questions, and finds them answered or has them computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from registry.cancellation import working_for

Q = TypeVar("Q")
A = TypeVar("A")


class Combiner(Generic[Q, A]):
    """Has the registry compute the combinations and inspections of one round, one after the other."""

    def __init__(self, make: Callable[[Q], A], executor: Executor | None = None) -> None:
        """`make` has the registry answer one; without an executor there is a thread of its own, once it is needed."""
        self._make = make
        self._executor = executor
        self._own: ThreadPoolExecutor | None = None
        self._under_way: dict[str, Future[A]] = {}
        """By work id, in the order in which they are computed."""
        self._closed = False

    @property
    def under_way(self) -> Collection[Future[A]]:
        """Those that were begun and are not answered yet, for a caller that waits for other things too."""
        return self._under_way.values()

    def look(self, open: Mapping[str, Q]) -> dict[str, A]:
        """Begin what is open and not under way; returns the answers that are new, by work id.

        One that is open no more, since a parent was retracted, is cancelled, or its answer or error is dropped.

        Raises:
            Refusal: as the registry refused one that is open.
            Unreachable: when the registry did not answer; the next call begins it again.
        """
        for work_id in self._under_way.keys() - open.keys():
            if self._under_way[work_id].cancel() or self._under_way[work_id].done():
                del self._under_way[work_id]
        for work_id, question in open.items():
            if work_id not in self._under_way:
                self._under_way[work_id] = self._begin(question)
        ended = [work_id for work_id in open if self._under_way[work_id].done()]
        return {work_id: self._under_way.pop(work_id).result() for work_id in ended}

    def wait(self, seconds: float) -> None:
        """Sleep for so long, or until a combination has ended."""
        if self._under_way:
            wait(self._under_way.values(), seconds, FIRST_COMPLETED)
        else:
            time.sleep(seconds)

    def close(self) -> None:
        """Begin no more. One that a registry in this process computes ends at its next block; one that a service
        computes ends with the connection.
        """
        self._closed = True
        for future in self._under_way.values():
            future.cancel()
        if self._own is not None:
            self._own.shutdown(wait=False)

    def _begin(self, question: Q) -> Future[A]:
        executor = self._executor or self._own
        if executor is None:
            executor = self._own = ThreadPoolExecutor(1, thread_name_prefix="combining")
        return executor.submit(self._answer, question)

    def _answer(self, question: Q) -> A:
        with working_for(lambda: not self._closed):
            return self._make(question)
