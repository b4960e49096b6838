"""The order of signed records: one that is older than the last of its kind does nothing, so a replay does nothing."""

from __future__ import annotations

from ratatouille.errors import Unreachable

TOLERANCE = 300.0
"""Seconds by which the clocks of two machines that are set may differ."""


def follows(issued: float, last: float, now: float) -> bool:
    """Whether a record that was signed at `issued` comes after the one that was signed at `last`.

    Both are by the signer's clock, which may be wrong; `now` is the registry's. A clock that was ahead and was put
    right is believed: its last record lies far in the future, and the new one was signed about now.
    """
    return issued > last or (last > now + TOLERANCE and abs(issued - now) < TOLERANCE)


def check_follows(what: str, node: str, issued: float, last: float, now: float) -> None:
    """Refuse a record that was signed before the last one.

    Raises:
        Unreachable: since a clock that was put back passes that moment again.
    """
    if not follows(issued, last, now):
        raise Unreachable(
            f"this {what} of node {node[:12]}… was signed {max(0.0, last - issued):.0f} s before the last one; if the "
            "node's clock was put back, set it right"
        )
