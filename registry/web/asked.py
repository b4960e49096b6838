"""The request of a reader: path and query, parsed once, with a limit on everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratatouille.errors import Refusal

LONGEST = 200
"""Characters of one value; the longest name, id or revision is shorter."""


class BadQuestion(Refusal):
    """A parameter that cannot be used."""


class NotThere(Refusal):
    """What the address names does not exist."""


@dataclass(frozen=True)
class Asked:
    """The parameters of one request."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    several: Mapping[str, Sequence[str]]
    """The query again, with every value of a name that is given more than once."""

    def text(self, name: str, default: str = "") -> str:
        """A line of text, without spaces at its ends.

        Raises:
            BadQuestion: when it is too long.
        """
        value = self.query.get(name, default)
        return _short(name, value).strip()

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within limits.

        Raises:
            BadQuestion: for anything else.
        """
        value = self.query.get(name)
        if value is None or value == "":
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and low <= int(value) <= high):
            raise BadQuestion(f"{name} takes a whole number from {low} to {high}")
        return int(value)

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of several words.

        Raises:
            BadQuestion: for any other.
        """
        value = self.text(name) or default
        if value not in choices:
            raise BadQuestion(f"{name} takes {', '.join(choices)}")
        return value

    def all(self, name: str, most: int) -> tuple[str, ...]:
        """Every value of a parameter that may be repeated.

        Raises:
            BadQuestion: when there are too many.
        """
        values = self.several.get(name, ())
        if len(values) > most:
            raise BadQuestion(f"{name} is given {len(values)} times; {most} are the most")
        return tuple(_short(name, value) for value in values)


def _short(name: str, value: str) -> str:
    if len(value) > LONGEST:
        raise BadQuestion(f"{name} has {len(value)} characters; {LONGEST} are the most")
    return value
