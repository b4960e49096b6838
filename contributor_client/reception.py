"""One message at a time in Flower's SuperNode, also when the run of a message ends while it comes in.

Flower's loop takes a message, waits for a reply, sends it, and takes the next message. A killed SuperLink ends its
runs, and then the rest of a message that it was handing out cannot come. Flower drops such a message without ending
its task: the executor that has the task would wait for the rest of it. If the executor has answered already, Flower
would take that reply for the one to the next message, and from then on send each reply one message too late.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flwr.app import Message
from flwr.supercore.inflatable.inflatable_utils import pull_objects
from flwr.supercore.run import RunNotRunningException

pull_soon = partial(pull_objects, max_time=60.0, initial_backoff=0.05, backoff_cap=1.0)
"""Flower's `pull_objects`, for messages of kilobytes: Flower itself pauses for up to 10 s and waits for two hours."""


class RunOver(Exception):
    """The run of a message ended while the message came in."""


class Reception:
    """Stands in for two functions of Flower's loop: the one that takes a message, and the one that sends replies."""

    def __init__(self, take: Callable[..., int | None], send_replies: Callable[..., None]) -> None:
        """`take` and `send_replies` are Flower's, which call what they get by name."""
        self._take = take
        self._send_replies = send_replies
        self._unanswered = ""
        """Id of the message that was taken last; empty once its reply was sent."""

    def take(self, *, receive: Callable[[], Any], **calls: Any) -> int | None:
        """Take a message; Flower ends its task and forgets it when the rest of it cannot come."""

        def noted() -> Any:
            found = receive()
            self._unanswered = found[0].metadata.message_id if found else ""
            return found

        # Flower puts its books in order after an `Exception`, and `RunNotRunningException` is none.
        for name in ("pull_object", "confirm_message_received"):
            calls[name] = _with_exception(calls[name])
        return self._take(receive=noted, **calls)

    def send_replies(self, *, send: Callable[..., Any], **calls: Any) -> None:
        """Send replies until the one to the message that was taken last is among them."""

        def noted(reply: Message, *more: Any) -> Any:
            if reply.metadata.reply_to_message_id == self._unanswered:
                self._unanswered = ""
            return send(reply, *more)

        while self._unanswered:
            self._send_replies(send=noted, **calls)


def _with_exception(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(*given: Any) -> Any:
        try:
            return call(*given)
        except RunNotRunningException as error:
            raise RunOver("its run is over") from error

    return called
