"""Records that leave a registry with a version: the version, its definitions, receipts and signed changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Version
from registry.ledger.revisions import resolve
from registry.lists import CHUNK, chunks
from registry.records import Portable
from registry.schema import BlobRow, ChangeRow, ContributionRow, EvaluationRow, ParentRow, TagRow, VersionRow

MOST_VERSIONS = 10_000
"""Versions of one answer; more history moves by backup."""
MOST_AT_ONCE = 100
"""Versions that are read with their papers in one call."""
ENOUGH = 16 * 2**20
"""Characters of receipts in one answer; at least one receipt is in it."""
LONGEST_MESSAGE = 4000
MOST_REVIEWS = 100
"""Of one version."""


def ancestry(connection: Connection, revisions: Sequence[str], depth: int) -> list[str]:
    """Ids of versions and their ancestors, parents before children.

    Args:
        connection: a transaction.
        revisions: what they are called.
        depth: how many steps back; 0 is the versions alone.

    Raises:
        Refusal: for an unknown revision, or too many ancestors.
    """
    asked = set(revisions)
    if len(asked) > MOST_VERSIONS:
        raise Refusal(f"{len(asked)} versions are asked for at once; {MOST_VERSIONS} are the most")
    level = {resolve(connection, revision) for revision in sorted(asked)}
    numbers: dict[str, int] = {}
    while level:
        numbers |= _numbers(connection, level)
        if len(numbers) > MOST_VERSIONS:
            raise Refusal(f"there are more than {MOST_VERSIONS} ancestors; ask for fewer steps back, or make a backup")
        level = _parents(connection, level) - numbers.keys() if depth > 0 else set()
        depth -= 1
    return sorted(numbers, key=numbers.__getitem__)


def portables(connection: Connection, ids: Sequence[str]) -> list[Portable]:
    """What travels with each of these versions, in the order asked.

    Raises:
        Refusal: for an unknown version, or too many at once.
    """
    if len(ids) > MOST_AT_ONCE:
        raise Refusal(f"{len(ids)} versions are asked for at once; {MOST_AT_ONCE} are the most")
    rows = {row.id: row for row in connection.execute(select(VersionRow).where(VersionRow.id.in_(ids)))}
    if missing := [id for id in ids if id not in rows]:
        raise Refusal(f"there is no version {missing[0][:12]}…; `ratatouille log` shows those that there are")
    tags, counted = _tags(connection, ids), _evaluations(connection, list(rows.values()))
    reviews = _reviews(connection, ids)
    collected, retracted = _collected(connection, list(rows.values())), _retractions(connection, list(rows.values()))
    return [
        Portable(
            version=Version.from_json(rows[id].record),
            **_said(rows[id]),
            retraction=retracted.get(rows[id].retraction) if rows[id].state == "retracted" else None,
            collected=tuple(one for one in dict.fromkeys((rows[id].featurizer, rows[id].head)) if one in collected),
            evaluations=tuple(counted[rows[id].featurizer, rows[id].head]),
            tags=tuple(tags[id]),
            reviews=tuple(reviews[id][-MOST_REVIEWS:]),
        )
        for id in ids
    ]


def receipts(connection: Connection, digests: Sequence[str]) -> list[Sealed]:
    """The first of these receipts, as they were signed; as many as fit an answer.

    Raises:
        Refusal: for an unknown receipt.
    """
    found: list[Sealed] = []
    length = 0
    for digest in digests[:CHUNK]:
        text = connection.execute(select(ContributionRow.sealed).where(ContributionRow.receipt == digest)).scalar()
        if text is None:
            raise Refusal(f"receipt {digest[:12]}… is not known here")
        length += len(text)
        if found and length > ENOUGH:
            break
        found.append(Sealed.from_json(text))
    return found


def _said(row: Row[Any]) -> dict[str, Any]:
    """What is known of an average; of other versions the receipt says it, signed."""
    if row.receipt is not None:
        return {}
    return {"message": row.message[:LONGEST_MESSAGE], "round": row.round, "seconds": row.seconds}


def _numbers(connection: Connection, ids: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(sorted(ids)):
        query = select(VersionRow.id, VersionRow.number).where(VersionRow.id.in_(some))
        found |= {row.id: row.number for row in connection.execute(query)}
    return found


def _parents(connection: Connection, ids: set[str]) -> set[str]:
    found: set[str] = set()
    for some in chunks(sorted(ids)):
        query = select(ParentRow.parent).where(ParentRow.child.in_(some)).distinct()
        found |= set(connection.execute(query).scalars())
    return found


def _tags(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[Sealed]]:
    query = select(TagRow.version, ChangeRow.sealed).join(ChangeRow, ChangeRow.number == TagRow.change)
    found = defaultdict(list)
    for row in connection.execute(query.where(TagRow.version.in_(ids)).order_by(TagRow.name)):
        found[row.version].append(Sealed.from_json(row.sealed))
    return found


def _reviews(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[Sealed]]:
    query = select(ChangeRow.subject, ChangeRow.sealed).where(ChangeRow.kind == "review", ChangeRow.subject.in_(ids))
    found = defaultdict(list)
    for row in connection.execute(query.order_by(ChangeRow.number)):
        found[row.subject].append(Sealed.from_json(row.sealed))
    return found


def _evaluations(connection: Connection, rows: Sequence[Row[Any]]) -> Mapping[tuple[str, str | None], list[str]]:
    """Receipts of evaluations by the pair of parts that they are about, oldest first."""
    pairs: list[ColumnElement[bool]] = [
        and_(EvaluationRow.featurizer == row.featurizer, EvaluationRow.head == row.head)
        for row in rows
        if row.head is not None
    ]
    found: Mapping[tuple[str, str | None], list[str]] = defaultdict(list)
    if not pairs:
        return found
    query = (
        select(EvaluationRow.featurizer, EvaluationRow.head, EvaluationRow.receipt)
        .join(ContributionRow, ContributionRow.receipt == EvaluationRow.receipt)
        .where(or_(*pairs), ContributionRow.state == "admitted", ContributionRow.kind == "evaluate")
        .order_by(EvaluationRow.number)
    )
    for featurizer, head, receipt in connection.execute(query):
        if receipt not in found[featurizer, head]:
            found[featurizer, head].append(receipt)
    return found


def _collected(connection: Connection, rows: Sequence[Row[Any]]) -> set[str]:
    digests = {digest for row in rows for digest in (row.featurizer, row.head) if digest is not None}
    query = select(BlobRow.digest).where(BlobRow.digest.in_(digests), BlobRow.collected.is_not(None))
    return set(connection.execute(query).scalars())


def _retractions(connection: Connection, rows: Sequence[Row[Any]]) -> Mapping[int, Sealed]:
    numbers = {row.retraction for row in rows if row.retraction is not None}
    query = select(ChangeRow.number, ChangeRow.sealed).where(ChangeRow.number.in_(numbers))
    return {row.number: Sealed.from_json(row.sealed) for row in connection.execute(query)}
