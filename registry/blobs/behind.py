"""Writing behind: blocks go to a file in a thread of their own, while the next ones are checked."""

from __future__ import annotations

import queue
import threading

from registry.blobs.disk import write_all
from registry.blobs.store import Block

DEPTH = 4
"""Blocks that may wait; more would only take memory."""


class Behind:
    """The writing end of a file. The first block is written at once: most files are small, and need no thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: queue.Queue[Block | None] = queue.Queue(DEPTH)
        self._begun = False
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None

    def write(self, block: Block) -> None:
        """Write a block soon; it must not change any more.

        Raises:
            Unreachable: when the disk was too full for this block or one before.
        """
        if not self._begun:
            self._begun = True
            write_all(self._descriptor, block)
            return
        if self._failure is not None:
            raise self._failure
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="behind", daemon=True)
            self._thread.start()
        self._waiting.put(block)

    def settle(self) -> None:
        """Wait until all that was given is written.

        Raises:
            Unreachable: when the disk was too full for it.
        """
        self._waiting.join()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Write what waits and end the thread; what failed is forgotten, and another block may come."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
        self._begun, self._thread, self._failure = False, None, None

    def _write(self) -> None:
        while (block := self._waiting.get()) is not None:
            try:
                if self._failure is None:
                    write_all(self._descriptor, block)
            except Exception as failure:  # whoever gives the next block is told
                self._failure = failure
            finally:
                self._waiting.task_done()
        self._waiting.task_done()
