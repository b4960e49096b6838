"""Parts of sentences that commands, pages and logs share: numbers with their nouns, and shortened lists of names."""

from __future__ import annotations

from collections.abc import Sequence


def number_of(number: int, one: str, many: str | None = None) -> str:
    """`1 curve`, `2 curves`; `many` where it is not `one` with an s, as in "class", "classes" or "is", "are"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def enumerated(names: Sequence[str], most: int, between: str = ", ") -> str:
    """The first `most` names, and how many more there are."""
    return between.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
