"""Texts from outside on their way into the database, the same on every kind of it.

SQLite would keep a NUL character and a text of any length; PostgreSQL refuses both, and a history must be able to
move. What people wrote on purpose is refused (`storable`); what only goes into the log is mended (`legible`).
"""

from __future__ import annotations

import re

from ratatouille.errors import Refusal

LONGEST_ADDRESS = 300
"""Characters of an address that is announced."""
LARGEST_SPEC = 4 * 2**20
"""Characters of a round's settings."""
LARGEST_TASK = 2 * 2**20
"""Characters of a task's definition: 21,841 classes need half of one MiB."""
LARGEST_ARCHITECTURE = 4 * 2**20
LONGEST_REASON = 4000
"""Characters of the reason of a round's state."""
LONGEST_NOTE = 500
"""Characters of a version's message: it is part of an index, whose entries have a largest size."""
LONGEST_NAME = 80
"""Characters of a round's id, as the columns have them."""
SHORTEST_PREFIX = 4
HEXADECIMAL = re.compile(rf"[0-9a-f]{{{SHORTEST_PREFIX},64}}")
"""What could be the beginning of an id."""


def storable(text: str, what: str = "a text", longest: int | None = None) -> str:
    """The text itself, if every database keeps it.

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
