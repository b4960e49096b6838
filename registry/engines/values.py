"""The values that a database is given, looked at before it sees them: the same are refused on every kind of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, event

from ratatouille.errors import Refusal
from registry.texts import storable

LARGEST_INTEGER = 2**63 - 1


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
