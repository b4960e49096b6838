"""Texts from outside on their way into the database, the same on every kind of it.

SQLite would keep a NUL character, and a number of any column's width; PostgreSQL refuses both, and a history must be
able to move. What people wrote on purpose is refused (`storable`); what only goes into the log is mended (`legible`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, event

from ratatouille.errors import Refusal

LONGEST_NAME = 80
"""Characters of a round's id, as the columns have them."""
LARGEST_INTEGER = 2**63 - 1


def storable(text: str, what: str = "a text", longest: int | None = None) -> str:
    """The text itself.

    Raises:
        Refusal: for a NUL character, half a character (a lone surrogate), or more than `longest` characters.
    """
    if longest is not None and len(text) > longest:
        raise Refusal(f"{what} has {len(text)} characters; {longest} are the most")
    if "\x00" in text:
        raise Refusal(f"{what} holds a NUL character, which no database keeps; leave it out")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Refusal(f"{what} holds half a character ({error.reason}); write it as UTF-8") from error
    return text


def legible(text: str) -> str:
    """A line for the log in which nothing is left that could not be stored."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def refuse_unstorable(engine: Engine) -> None:
    """From now on, a value that some database does not keep is refused before any database sees it."""

    @event.listens_for(engine, "before_cursor_execute")
    def _look(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        for row in parameters if many else (parameters,):
            _check(row.values() if isinstance(row, dict) else row)


def _check(values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, str):
            storable(value)
        elif isinstance(value, int) and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise Refusal("a number has more than 64 bits, which no database keeps")
