"""Pulling the objects of a reply with limits, so that no node can stop a round by what it sends, or leaves out.

Flower's own way waits minutes for a reply that is never completed, and lets whatever is wrong with one end the whole
ServerApp. Here a reply is put together before it counts, and all waiting together has a small allowance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from flwr.app import Message
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, inflate_object_from_contents, pull_objects

NO_REPLY = "it is no reply of a node of ours"
"""Ends the reason of the error that stands in the place of a reply that cannot be put together."""
_MOST_OBJECTS = 20
"""A reply of ours has three."""
_ALLOWANCE, _REFILL = 2.0, 0.2
"""Seconds that replies may be waited for at once, and in each second that passes."""
_FIRST_PAUSE = 0.05


class ReplyPuller:
    """Stands in the place of Flower's `pull_objects` where the ServerApp pulls replies."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = _ALLOWANCE
        self._looked = clock()

    def __call__(self, object_ids: Sequence[str], pull_object_fn: Callable[[str], bytes]) -> dict[str, bytes]:
        """The objects of one reply by id; its message is the last of them.

        Raises:
            ObjectPullError: when they do not come in time, or are no reply. Flower answers with an error then.
        """
        if len(object_ids) > _MOST_OBJECTS:
            raise ObjectPullError(object_ids[-1], NO_REPLY)
        began = self._clock()
        self._left = min(_ALLOWANCE, self._left + (began - self._looked) * _REFILL)
        try:
            found = pull_objects(
                list(object_ids), pull_object_fn, max_time=max(0.0, self._left), initial_backoff=_FIRST_PAUSE
            )
        finally:
            self._looked = self._clock()
            self._left = max(0.0, self._left - (self._looked - began))
        _check(object_ids[-1], found)
        return found


def _check(message_id: str, found: dict[str, bytes]) -> None:
    """See that objects make a message.

    Raises:
        ObjectPullError: when they do not.
    """
    try:
        made = inflate_object_from_contents(message_id, dict(found))
        fits = isinstance(made, Message) and (made.has_error() or made.has_content())
    except Exception as error:  # whatever Flower raises over bytes of strangers
        raise ObjectPullError(message_id, NO_REPLY) from error
    if not fits:
        raise ObjectPullError(message_id, NO_REPLY)
