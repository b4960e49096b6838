"""The answers to questions: which contribution or combination was admitted for a work id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json
from sqlalchemy import BindParameter, Connection, bindparam, literal, select, union_all

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Comparison, Evaluation, Receipt
from ratatouille.exchange.signing import Sealed
from registry.ledger.claims import removed
from registry.lists import chunks
from registry.records import Result
from registry.schema import ContributionRow, EvaluationRow, VersionRow

_WORK_ID: BindParameter[Any] = bindparam("work_id")
_WORK_IDS: BindParameter[Any] = bindparam("work_ids", expanding=True)
_IS_ANSWERED = union_all(
    select(literal(1)).where(ContributionRow.work_id == _WORK_ID, ContributionRow.state == "admitted"),
    select(literal(1)).where(VersionRow.work_id == _WORK_ID, VersionRow.state == "admitted"),
).limit(1)
_COMBINED = select(
    *(getattr(VersionRow, name) for name in ("work_id", "featurizer", "head", "task", "seconds", "created")),
    VersionRow.id.label("version"),
).where(VersionRow.work_id.in_(_WORK_IDS), VersionRow.state == "admitted", VersionRow.receipt.is_(None))
_CONTRIBUTED = (
    select(ContributionRow, VersionRow.id.label("version"))
    .outerjoin(VersionRow, VersionRow.receipt == ContributionRow.receipt)
    .where(ContributionRow.work_id.in_(_WORK_IDS), ContributionRow.state == "admitted")
)
_EVALUATIONS = (
    select(EvaluationRow)
    .where(EvaluationRow.receipt.in_(bindparam("receipts", expanding=True)))
    .order_by(EvaluationRow.number)
)


def answer(connection: Connection, work_id: str) -> Result | None:
    """The admitted answer to a question."""
    # most questions that are asked about one by one have none yet
    return answers(connection, [work_id]).get(work_id) if is_answered(connection, work_id) else None


def contributed(connection: Connection, work_id: str) -> Result:
    """The answer that a contribution gave a moment ago, with its weights."""
    return _contributed(connection, [work_id])[work_id]


def is_answered(connection: Connection, work_id: str) -> bool:
    """Whether a question has an admitted answer."""
    return connection.execute(_IS_ANSWERED, {"work_id": work_id}).first() is not None


def brings_back(receipt: Receipt, known: Result) -> bool:
    """Whether a receipt, whose question is answered, comes with the very weights that gc removed."""
    return known.collected is not None and (receipt.featurizer, receipt.head) == (known.featurizer, known.head)


def answers(connection: Connection, work_ids: Sequence[str]) -> dict[str, Result]:
    """The admitted answers to those of these questions that have one, in the order asked."""
    found: dict[str, Result] = {}
    for chunk in chunks(list(dict.fromkeys(work_ids))):
        found |= _combined(connection, chunk)
        found |= _contributed(connection, chunk)
    gone = removed(connection, {part for one in found.values() for part in (one.featurizer, one.head) if part})
    for one in found.values() if gone else ():
        times = [gone[part] for part in (one.featurizer, one.head) if part in gone]
        if times:
            found[one.work_id] = one.model_copy(update={"collected": min(times)})
    return {work_id: found[work_id] for work_id in dict.fromkeys(work_ids) if work_id in found}


def parse_evaluation(domain: str, split: str, slice: str, confusion: str) -> Evaluation:
    """An evaluation from its columns."""
    cell = Cell.model_validate({"domain": domain, "split": split, "slice": slice})
    return Evaluation.model_validate_json('{"cell":' + cell.model_dump_json() + ',"confusion":' + confusion + "}")


def _combined(connection: Connection, work_ids: Sequence[str]) -> dict[str, Result]:
    rows = connection.execute(_COMBINED, {"work_ids": work_ids}).mappings()
    return {row["work_id"]: Result.model_validate(dict(row)) for row in rows}


def _contributed(connection: Connection, work_ids: Sequence[str]) -> dict[str, Result]:
    rows = connection.execute(_CONTRIBUTED, {"work_ids": work_ids}).all()
    evaluations = _evaluations(connection, [row.receipt for row in rows]) if rows else {}
    return {
        row.work_id: Result(
            work_id=row.work_id,
            version=row.version,
            featurizer=row.featurizer,
            head=row.head,
            task=row.task,
            node=row.node,
            receipt=row.receipt,
            evaluations=tuple(evaluations[row.receipt]),
            comparison=_comparison(row.sealed) if row.kind == "compare" else None,
            kept_step=_kept_step(row.sealed) if row.kind == "fine_tune" else None,
            seconds=row.seconds,
            overhead=row.overhead,
            created=row.created,
        )
        for row in rows
    }


def _comparison(sealed: str) -> Comparison | None:
    """The counts of a comparison are about mixtures that are no versions, so they stay in its receipt."""
    return Receipt.from_json(Sealed.from_json(sealed).body).comparison


def _kept_step(sealed: str) -> int | None:
    """The step whose weights a training returned; its receipt was checked when it came."""
    step: int | None = from_json(Sealed.from_json(sealed).body).get("kept_step")
    return step


def _evaluations(connection: Connection, receipts: Sequence[str]) -> dict[str, list[Evaluation]]:
    found = defaultdict(list)
    for row in connection.execute(_EVALUATIONS, {"receipts": receipts}):
        found[row.receipt].append(parse_evaluation(row.domain, row.split, row.slice, row.confusion))
    return found
