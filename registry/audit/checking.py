"""Shared parts of an audit's stages: checks and findings, a batch, and rows in the order of their key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select
from sqlalchemy.orm import InstrumentedAttribute

from ratatouille.errors import Refusal
from registry.ledger.claims import Removed
from registry.records import Check, Finding, Stage

ROWS = 100
"""Rows that one batch looks at."""
MOST_VERSIONS = 100
"""Versions that a finding names; it counts all of them."""


class NotCheckable(Refusal):
    """Something that cannot be looked at, and is not wrong for that."""


@dataclass
class AuditBatch:
    """Some things of a stage; none when there are no more."""

    last: str = ""
    """Key of the last one: the next batch begins after it."""
    looked: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)


Rule = tuple[str, Callable[[], str]]
"""The name of a check and the check: a function that returns what it found, or raises a Refusal for what is wrong."""
Rules = Iterable[Rule]


def checks(rules: Rules) -> list[Check]:
    """Apply all rules; a failed one does not stop the next ones."""
    return [_check(what, look) for what, look in rules]


def findings(stage: Stage, subject: str, found: Iterable[Check], versions: Sequence[str] = ()) -> list[Finding]:
    """The findings of checks: those that passed make none."""
    return [
        finding(stage, subject, f"{check.what}: {check.detail}", versions, kind=check.verdict)
        for check in found
        if check.verdict != "ok"
    ]


def finding(
    stage: Stage,
    subject: str,
    detail: str,
    versions: Sequence[str] = (),
    affected: int = 0,
    kind: Literal["wrong", "not checkable"] = "wrong",
) -> Finding:
    """Something wrong, or not checkable."""
    return Finding(
        kind=kind,
        stage=stage,
        subject=subject,
        detail=detail,
        versions=tuple(versions[:MOST_VERSIONS]),
        affected=affected or len(versions),
    )


def rows_after(
    connection: Connection, query: Select[Any], key: InstrumentedAttribute[Any], after: str, limit: int = ROWS
) -> Sequence[Row[Any]]:
    """The next rows in the order of a key, which is a number or a text."""
    start: int | str = after
    if key.type.python_type is int:
        start = int(after) if after.isdecimal() and len(after) < 20 else -1
    return connection.execute(query.where(key > start).order_by(key).limit(limit)).all()


def expect(stated: object, found: object, what: str) -> None:
    """Refuse a value that is not the one that is stated elsewhere.

    Raises:
        Refusal: when they are not.
    """
    if stated != found:
        raise Refusal(f"{what} is {_short(found)}, not {_short(stated)}")


def _check(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what=what, verdict="ok", detail=look())
    except (NotCheckable, Removed) as refusal:
        return Check(what=what, verdict="not checkable", detail=str(refusal))
    except Refusal as refusal:
        return Check(what=what, verdict="wrong", detail=str(refusal))
    except OSError as error:  # a file that cannot be read is what we are here to find
        return Check(what=what, verdict="wrong", detail=f"{Path(str(error.filename)).name[:12]}…: {error.strerror}")


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
