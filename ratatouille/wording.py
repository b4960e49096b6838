"""Parts of sentences that commands, pages and logs share: numbers with their nouns, and shortened lists of names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def number_of(number: int, one: str, many: str | None = None) -> str:
    """`1 curve`, `2 curves`; `many` where it is not `one` with an s, as in "class", "classes" or "is", "are"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def enumerated(names: Sequence[str], most: int, between: str = ", ") -> str:
    """The first `most` names, and how many more there are."""
    return between.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word of several that a person most likely meant; None where none is like it."""
    return next(iter(get_close_matches(word[:80], list(words), 1)), None)


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The end of a sentence about a word that is none of several; empty where none is like it."""
    found = nearest(word, words)
    return f"; did you mean '{found}'?" if found else ""
