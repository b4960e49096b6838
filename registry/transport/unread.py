"""Answers that wait to be read: a time for each, and a size for all together.

gRPC holds an answer until its caller reads it, without a thread and without limit. A caller that reads nothing would so
fill the memory, or keep the place of a stream.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import grpc

from registry.transport.arrivals import Answer
from registry.transport.waits import Waits

READ_SECONDS = 60.0
"""Time to read a small answer; a longer one has the same time again for each `LEAST_BYTES`."""
LEAST_BYTES = 2**19
MOST_BYTES = 2**28
"""Of all answers that wait; beyond that the oldest are ended."""
SMALL = 2**14
"""Bytes that a small answer counts as: its call takes memory too."""


class Unread:
    """The answers of one service that wait to be read."""

    def __init__(self) -> None:
        self._waits = Waits(MOST_BYTES)

    def limited(self, answer: Answer) -> Answer:
        """The same function, whose answer must be read in time."""

        def answer_and_wait(request: Any, context: grpc.ServicerContext) -> Any:
            reply = answer(request, context)
            size = max(reply.ByteSize(), SMALL)
            mark = self._waits.begin(context.cancel, READ_SECONDS * (1 + size / LEAST_BYTES), size)
            if not context.add_callback(partial(self._waits.over, mark)):
                self._waits.over(mark)
            return reply

        return answer_and_wait

    def reading(self, context: grpc.ServicerContext) -> AbstractContextManager[None]:
        """While the block runs, the caller reads one small message of a stream; the stream is ended if it does not."""
        return self._waits.waiting(context.cancel, READ_SECONDS, SMALL)
