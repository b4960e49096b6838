"""As many messages in Flower's SuperNode as the node has workers, also when a run ends while one of them comes in.

Flower's loop takes a message, waits for a reply, sends it, and takes the next message. Here it goes on taking messages
until each worker has one, and sends replies in between.

A killed SuperLink ends its runs, and then the rest of a message that it was handing out cannot come. Flower drops such
a message without ending its task: the executor that has the task would wait for the rest of it. If the executor has
answered already, Flower would take that reply for the one to the next message, and from then on send each reply one
message too late.
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


class MessageIntake:
    """Stands in for two functions of Flower's loop: the one that takes a message, and the one that sends replies."""

    def __init__(
        self,
        take: Callable[..., int | None],
        send_replies: Callable[..., None],
        workers: int = 1,
        begin_anew: Callable[[], None] = lambda: None,
    ) -> None:
        """`take` and `send_replies` are Flower's, which call what they get by name.

        `begin_anew` is called when the tasks of several messages cannot be told apart any more.
        """
        self._take = take
        self._send_replies = send_replies
        self._workers, self._begin_anew = workers, begin_anew
        self._unanswered: set[str] = set()
        """Ids of the messages that were taken and not answered."""
        self._state: Any = None
        self._send: Callable[[], None] = lambda: None
        """Sends the replies that are there, or the next one."""

    def has_reply(self) -> bool:
        """Whether a reply waits to be sent; Flower's own look would mark it as sent."""
        if not self._unanswered:
            return False
        with self._state.lock_msg_store:
            kept = list(self._state.msg_store.values())
        return any(one.message.metadata.reply_to_message_id and not one.is_retrieved for one in kept)

    def take(self, *, receive: Callable[[], Any], **calls: Any) -> int | None:
        """Take a message; Flower ends its task and forgets it when the rest of it cannot come."""
        self._state = calls["state"]
        if self.has_reply():
            self._send()
        taken = ""

        def noted() -> Any:
            nonlocal taken
            found = receive()
            taken = found[0].metadata.message_id if found else ""
            return found

        # Flower puts its books in order after an `Exception`, and `RunNotRunningException` is none.
        for name in ("pull_object", "confirm_message_received"):
            calls[name] = _with_exception(calls[name])
        run = self._take(receive=noted, **calls)
        if run is not None:
            self._unanswered.add(taken)
        elif taken and self._unanswered:
            # Its task may have been at work on another message of the same run, whose task then waits for ever.
            self._begin_anew()
        return run

    def send_replies(self, *, send: Callable[..., Any], **calls: Any) -> None:
        """Send replies until a worker is free for the next message."""

        def noted(reply: Message, *more: Any) -> Any:
            self._unanswered.discard(reply.metadata.reply_to_message_id)
            return send(reply, *more)

        self._send = partial(self._send_replies, send=noted, **calls)
        while len(self._unanswered) >= self._workers:
            self._send()


def _with_exception(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(*given: Any) -> Any:
        try:
            return call(*given)
        except RunNotRunningException as error:
            raise RunOver("its run is over") from error

    return called
