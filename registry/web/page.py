"""Queries and pages: the parameters of a request, each with a limit, and the page that is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ratatouille.errors import Refusal
from ratatouille.record import Record

LONGEST = 200
"""Characters of one value; the longest name, id or revision is shorter."""


@dataclass(frozen=True)
class Page:
    """The answer of a page function."""

    template: str
    view: Record
    """The content of the page; the answer where JSON is asked for."""
    drawn: Mapping[str, Any] = field(default_factory=dict)
    """Pictures and forms that only the template needs."""


class BadQuery(Refusal):
    """A parameter that cannot be used."""


class NotThere(Refusal):
    """The address names nothing that exists."""


@contextmanager
def named_in_address() -> Iterator[None]:
    """Say in the registry's words that what the address names does not exist.

    Raises:
        NotThere: for a refusal inside.
    """
    try:
        yield
    except Refusal as refusal:
        raise NotThere(str(refusal)) from refusal


@dataclass(frozen=True)
class Query:
    """The parameters of one request."""

    path: Mapping[str, str]
    values: Mapping[str, Sequence[str]]
    """Every value of each name; where one value is wanted, the last one counts."""

    def text(self, name: str, default: str = "") -> str:
        """A line of text, without spaces at its ends.

        Raises:
            BadQuery: when it is too long.
        """
        return _short(name, self._last(name, default)).strip()

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within limits.

        Raises:
            BadQuery: for anything else.
        """
        value = self._last(name, "")
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and low <= int(value) <= high):
            raise BadQuery(f"{name} takes a whole number from {low} to {high}")
        return int(value)

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of several words.

        Raises:
            BadQuery: for any other.
        """
        value = self.text(name) or default
        if value not in choices:
            raise BadQuery(f"{name} takes {', '.join(choices)}")
        return value

    def all(self, name: str, most: int) -> tuple[str, ...]:
        """Every value of a parameter that may be repeated.

        Raises:
            BadQuery: when there are too many.
        """
        values = self.values.get(name, ())
        if len(values) > most:
            raise BadQuery(f"{name} is given {len(values)} times; {most} are the most")
        return tuple(_short(name, value) for value in values)

    def _last(self, name: str, default: str) -> str:
        return self.values[name][-1] if name in self.values else default


def _short(name: str, value: str) -> str:
    if len(value) > LONGEST:
        raise BadQuery(f"{name} has {len(value)} characters; {LONGEST} are the most")
    return value
