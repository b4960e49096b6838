"""Everything about one version: its entry, receipt, counts and names, and why it was admitted.

The reasons for admission are what the registry had checked when it wrote the version's row. Nothing is checked again
here (`verify` does that): the sentences describe what `examine`, `ratatouille.weights.intake` and `averages` check of
every version. Every answer is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, bindparam, func, select

from ratatouille.exchange.assignment import Import
from ratatouille.exchange.change import Retract
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Version
from ratatouille.weights.architecture import Architecture
from registry.history.results import FEW_RECIPES, MOST_RECIPES, known_of
from registry.ledger.answers import parse_evaluation
from registry.ledger.claims import removed
from registry.ledger.definitions import architecture, task
from registry.ledger.members.queries import all_keys
from registry.ledger.obligations import moved_uncounted
from registry.ledger.releases import names, tags_of
from registry.ledger.reviews import standing, states_of
from registry.ledger.revisions import resolve
from registry.lists import chunks
from registry.records import Check, Details, Entry, StoredEvaluation, TakenBack
from registry.schema import ChangeRow, ContributionRow, EvaluationRow, OfferRow, ParentRow, TaskRow, VersionRow
from registry.scores import COUNTING

_LATER = select(func.count()).where(
    ContributionRow.work_id == bindparam("question"), ContributionRow.state == "duplicate"
)


def admission(connection: Connection, version: Version, receipt: Receipt | None) -> Iterator[Check]:
    """What was checked, in the order in which it was."""
    network = architecture(connection, version.architecture)
    if receipt is None:
        yield from _combined(version, network)
    else:
        classes = len(task(connection, version.task).classes) if version.task is not None else 0
        yield from _pushed(version, receipt, network, classes)
        yield _passed("first", _answers(connection, receipt))


def _pushed(version: Version, receipt: Receipt, network: Architecture, classes: int) -> Iterator[Check]:
    imported = isinstance(receipt.assignment, Import)
    yield _passed("signature", f"the receipt {str(version.receipt)[:12]}… is signed by key {receipt.node[:12]}…")
    yield _passed("lease", "an import needs none" if imported else "the node had taken this question")
    yield _passed("parents", f"{len(version.parents)} known, of the same architecture; the work started from them")
    parts = [(len(network.featurizer), "in the featurizer")]
    if version.head is not None:
        parts.append((len(network.head(classes)), f"in the head, for {classes} classes"))
    yield _passed(
        "shapes", ", ".join(f"{count} tensors {where}" for count, where in parts) + f", as {network.name} has"
    )
    yield _passed("finite", "no NaN and no infinity in any tensor")
    yield _passed("buffers", _buffers(version, network))
    yield _passed("digests", "SHA-256 of each file while it came")
    if receipt.evaluations:
        yield _passed("counts", f"{len(receipt.evaluations)} matrices of {classes} × {classes}")


def _combined(version: Version, network: Architecture) -> Iterator[Check]:
    yield _passed("average", f"made here from {len(version.parents)} parents; `ratatouille verify` computes it again")
    yield _passed("parents", f"all of {network.name} and admitted" + (", all for one task" if version.head else ""))
    yield _passed("buffers", "equal in all parents, and copied")
    yield _passed("finite", "no result is too large for float32")


def _buffers(version: Version, network: Architecture) -> str:
    count = sum(tensor.buffer for tensor in network.featurizer)
    if not count:
        return "this architecture has none"
    if not version.parents:
        return f"{count}, which descendants must keep"
    return f"{count} equal to those of {version.parents[0].version[:12]}…"


def _answers(connection: Connection, receipt: Receipt) -> str:
    count = connection.execute(_LATER, {"question": receipt.work_id}).scalar_one()
    return f"the first answer to question {receipt.work_id[:12]}…" + (f"; {count} came later" if count else "")


def _passed(what: str, detail: str) -> Check:
    return Check(what=what, verdict="ok", detail=detail)


MOST_ENTRIES = 10_000
MOST_EVALUATIONS = 10_000
MOST_CHILDREN = 1000

EntryQuery = Select[*tuple[Any, ...]]


def show(connection: Connection, revision: str) -> Details:
    """Everything about a version."""
    id = resolve(connection, revision)
    entry = entry_of(connection, id)
    parts = [part for part in (entry.version.featurizer, entry.version.head) if part is not None]
    sealed = sealed_receipt(connection, entry.version.receipt)
    receipt = None if sealed is None else Receipt.from_json(sealed.body)
    return Details(
        entry=entry,
        receipt=receipt,
        admission=tuple(admission(connection, entry.version, receipt)),
        evaluations=tuple(evaluations_of(connection, entry.version)),
        children=tuple(connection.execute(_CHILDREN, {"of": id}).scalars()),
        tags=tuple(tags_of(connection, id)),
        taken_back=_taken_back(connection, id),
        collected=min(removed(connection, parts).values(), default=None),
        review=next(iter(standing(connection, [id])), None),
    )


def receipt(connection: Connection, revision: str) -> Sealed | None:
    """A version's signed receipt; None where the registry made the version itself."""
    found = connection.execute(select(VersionRow.receipt).where(VersionRow.id == resolve(connection, revision)))
    return sealed_receipt(connection, found.scalar())


def entry_of(connection: Connection, id: str) -> Entry:
    """The version with this full id, which there is."""
    return next(read(connection, _ENTRY, {"wanted": id}, MOST_RECIPES))


def sealed_receipt(connection: Connection, receipt: str | None) -> Sealed | None:
    """The signed receipt with this digest, as it was pushed."""
    found = connection.execute(_SEALED, {"wanted": receipt}).scalar() if receipt is not None else None
    return None if found is None else Sealed.from_json(found)


def entries() -> EntryQuery:
    """What an entry is made of."""
    return (
        select(
            VersionRow.number,
            VersionRow.id,
            VersionRow.record,
            VersionRow.state,
            VersionRow.created,
            VersionRow.message,
            VersionRow.round,
            VersionRow.work_id,
            TaskRow.name.label("task_name"),
            OfferRow.name.label("contributor"),
            VersionRow.node,
        )
        .outerjoin(TaskRow, TaskRow.digest == VersionRow.task)
        .outerjoin(OfferRow, OfferRow.node == VersionRow.node)
    )


def read(
    connection: Connection, query: EntryQuery, values: Mapping[str, Any] | None = None, most: int = FEW_RECIPES
) -> Iterator[Entry]:
    """The entries that a query made of `entries` finds.

    Args:
        query: which, and in which order.
        values: those of its parameters.
        most: recipes that an entry names.
    """
    found = connection.execute(query, values)
    columns, rows = tuple(found.keys()), found.all()
    named = names(connection, [row.id for row in rows])
    waiting = moved_uncounted(connection, named.keys() & {row.id for row in rows})
    shared = _shared_names(connection, {row.contributor for row in rows if row.contributor})
    versions = {row.id: Version.from_json(row.record) for row in rows}
    makers = {row.id: row.node for row in rows}
    known, reviewed = known_of(connection, versions, makers, most), states_of(connection, list(versions))
    for row in rows:
        entry = dict(zip(columns, row, strict=True)) | known[row.id]
        del entry["record"]
        entry["version"] = versions[row.id]
        entry["aliases"] = tuple(named.get(row.id, ()))
        entry["not_evaluated"] = row.id in waiting
        entry["name_shared"] = row.contributor in shared
        entry["review"] = reviewed.get(row.id)
        yield Entry.model_validate(entry)


def _shared_names(connection: Connection, asked: Set[str]) -> set[str]:
    """Those of these names that several nodes have."""
    found = (connection.execute(_SHARED, {"names": chunk}) for chunk in chunks(sorted(asked)))
    return {row.name for rows in found for row in rows}


_WANTED: BindParameter[Any] = bindparam("wanted")
_SHARED = (
    select(OfferRow.name)
    .where(OfferRow.name.in_(bindparam("names", expanding=True)))
    .group_by(OfferRow.name)
    .having(func.count() > 1)
)
_ENTRY = entries().where(VersionRow.id == _WANTED)
_SEALED = select(ContributionRow.sealed).where(ContributionRow.receipt == _WANTED)
_CHILDREN = (
    select(ParentRow.child)
    .where(ParentRow.parent == bindparam("of"))
    .distinct()
    .order_by(ParentRow.child)
    .limit(MOST_CHILDREN)
)
_TAKEN_BACK = (
    select(ChangeRow.sealed, VersionRow.replacement)
    .join(ChangeRow, ChangeRow.number == VersionRow.retraction)
    .where(VersionRow.id == _WANTED, VersionRow.state == "retracted")
)
_EVALUATIONS = (
    select(EvaluationRow, TaskRow.name.label("task_name"), ContributionRow.node)
    .join(TaskRow, TaskRow.digest == EvaluationRow.task)
    .join(ContributionRow, ContributionRow.receipt == EvaluationRow.receipt)
    .where(
        EvaluationRow.featurizer == bindparam("its_featurizer"),
        EvaluationRow.head == bindparam("its_head"),
        ContributionRow.state.in_(COUNTING),
    )
    .order_by(EvaluationRow.number)
    .limit(MOST_EVALUATIONS)
)


def _taken_back(connection: Connection, id: str) -> TakenBack | None:
    """The retraction that took a version back; None for one that stands."""
    row = connection.execute(_TAKEN_BACK, {"wanted": id}).first()
    if row is None:
        return None
    sealed = Sealed.from_json(row.sealed)
    change = Retract.from_json(sealed.body)
    values = {"version": change.version, "message": change.message, "author": change.author, "at": change.at}
    return TakenBack.model_validate({**values, "node": sealed.node, "replacement": row.replacement})


def evaluations_of(connection: Connection, version: Version) -> Iterator[StoredEvaluation]:
    """The counts of every version with these parts; of a cell that was counted twice the first."""
    if version.head is None:
        return
    parts = {"its_featurizer": version.featurizer, "its_head": version.head}
    maker = connection.execute(select(VersionRow.node).where(VersionRow.id == version.id)).scalar()
    own, seen = frozenset() if maker is None else frozenset(all_keys(connection, [maker])), set()
    for row in connection.execute(_EVALUATIONS, parts):
        cell = (row.task, row.fingerprint, row.trial, row.image_size, row.domain, row.split, row.slice)
        if cell in seen:
            continue
        seen.add(cell)
        yield StoredEvaluation(
            task=row.task,
            task_name=row.task_name,
            fingerprint=row.fingerprint,
            node=row.node,
            trial=row.trial,
            image_size=row.image_size,
            evaluation=parse_evaluation(row.domain, row.split, row.slice, row.confusion),
            self_reported=row.node in own,
        )
