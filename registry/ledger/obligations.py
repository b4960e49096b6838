"""Obligations: evaluations that are owed of versions outside of any round, kept until a node has answered them.

A retraction moves aliases to averages that were made anew and have no counts. What had been counted of the
version before is owed of the one that takes its place; a maintainer may ask for counts of any other version, and for
comparisons of an average with those of the others (`registry.credit`). A row is the order. It is open while the version
stands and the question has no answer, so an answer needs no second write.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from pydantic import ValidationError
from sqlalchemy import Connection, and_, exists, insert, or_, select

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Evaluate, Split
from ratatouille.exchange.dialect import METHOD_REVISION
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Version
from ratatouille.record import first_problem
from ratatouille.tasks.holding import Holding
from ratatouille.wording import number_of
from registry.ledger.event_log import record_event
from registry.ledger.members.queries import all_keys
from registry.lists import chunks
from registry.records import Obligation
from registry.schema import AliasRow, ChangeRow, ContributionRow, EvaluationRow, ObligationRow, VersionRow
from registry.scores import COUNTING

ROUND = "evaluations"
"""The text in place of a round's id in orders that belong to no round; coordinator and nodes have the same constant."""
MOST_OPEN = 1000
"""Obligations that are handed out together."""
Kind = Literal["evaluate", "credit"]
"""What is owed: counts of a version, or of an average beside those of the others."""
MOST_HEADS = 10_000
"""Members of averages of averages that are looked through for an imported head."""

_ANSWERED = exists().where(ContributionRow.work_id == ObligationRow.work_id, ContributionRow.state == "admitted")
_OPEN = (
    select(ObligationRow.__table__)
    .join(VersionRow, VersionRow.id == ObligationRow.version)
    .where(VersionRow.state == "admitted", ~_ANSWERED)
)


def obligations(connection: Connection, version: str | None = None, kind: Kind | None = None) -> list[Obligation]:
    """The open obligations, of one version or of all, of one kind or of both, the oldest first; a thousand at most."""
    query = _OPEN.order_by(ObligationRow.created, ObligationRow.work_id).limit(MOST_OPEN)
    if version is not None:
        query = query.where(ObligationRow.version == version)
    if kind is not None:
        query = query.where(ObligationRow.kind == kind)
    return [
        Obligation(
            work_id=row.work_id,
            version=row.version,
            order=Order.from_json(row.record),
            makers=tuple(all_keys(connection, row.makers.split())) if row.makers else (),
            created=row.created,
        )
        for row in connection.execute(query).all()
    ]


def owe_as_before(connection: Connection, before: str, now: str) -> int:
    """Enter as owed, of a version, what was counted of the one whose place it takes, or else of that one's parents.

    Returns how many evaluations that are; 0 for a version that nodes do not count (see `imported_head`).
    """
    old, new = _version(connection, before), _version(connection, now)
    if new.head is None or imported_head(connection, new) is not None:
        return 0
    asked: list[Evaluate] = []
    for one in (old, *(_version(connection, parent.version) for parent in old.parents)):
        asked = list(_asked(connection, one))
        if asked:
            break
    parts = {"featurizer": new.featurizer, "head": new.head, "revision": METHOD_REVISION}
    return _owe(connection, new, (question.model_copy(update=parts) for question in asked))


def owe(
    connection: Connection, version: str, holdings: Iterable[Holding], image_size: int, split: Split
) -> list[Obligation]:
    """Enter evaluations of a version as owed, on every domain of these holdings that are of its task.

    Raises:
        Refusal: for a version that is not admitted, has no head, or whose head was imported, and for images of a size
            that no node takes.
    """
    about = countable(connection, version)
    try:
        questions = list(_questions(about, str(about.head), holdings, image_size, split))
    except ValidationError as error:
        raise uncountable(error) from error
    _owe(connection, about, questions)
    return obligations(connection, version, "evaluate")


def uncountable(error: ValidationError) -> Refusal:
    """The refusal of a question that nodes do not take."""
    return Refusal(f"nodes cannot be asked to count like this: {first_problem(error)}")


def countable(connection: Connection, version: str) -> Version:
    """A version that nodes count.

    Raises:
        Refusal: for one that is not admitted, has no head, or whose head was imported.
    """
    about = _version(connection, version)
    state = connection.execute(select(VersionRow.state).where(VersionRow.id == version)).scalar_one()
    if state != "admitted":
        raise Refusal(f"version {version[:12]}… is {state}; nodes count versions that stand")
    if about.head is None:
        raise Refusal(f"version {version[:12]}… has no head, so there is nothing to count; name one for a task")
    if (imported := imported_head(connection, about)) is not None:
        raise Refusal(
            f"the head of version {imported[:12]}… was imported: a head that somebody made by hand can be a question "
            "about single images, so nodes do not count with it; `ratatouille evaluate --data` counts on images of "
            "your own"
        )
    return about


def _questions(
    about: Version, head: str, holdings: Iterable[Holding], image_size: int, split: Split
) -> Iterator[Evaluate]:
    """One question for each holding of the version's task; somebody else may offer the same data for another task."""
    for holding in {one.fingerprint: one for one in holdings if one.task == about.task and one.domains}.values():
        yield Evaluate(
            architecture=about.architecture,
            featurizer=about.featurizer,
            head=head,
            task=holding.task,
            fingerprint=holding.fingerprint,
            image_size=image_size,
            cells=tuple(Cell(domain=domain, split=split) for domain in holding.domains),
        )


def imported_head(connection: Connection, version: Version) -> str | None:
    """The version, this one or a member of it, whose head was imported; None where nodes made all heads."""
    waiting, seen = [version], {version.id}
    while waiting:
        one = waiting.pop()
        if one.head is not None and one.rule.name == "import":
            return one.id
        if one.rule.name != "combine":
            continue
        for parent in one.parents:
            if parent.version not in seen and len(seen) < MOST_HEADS:
                seen.add(parent.version)
                waiting.append(_version(connection, parent.version))
    return None


def uncounted(connection: Connection, versions: Collection[str]) -> set[str]:
    """Those of these versions that have a head and no counts, or of which counts are still owed."""
    counts = exists().where(
        and_(
            EvaluationRow.featurizer == VersionRow.featurizer,
            EvaluationRow.head == VersionRow.head,
            EvaluationRow.receipt == ContributionRow.receipt,
            ContributionRow.state.in_(COUNTING),
        )
    )
    owed = exists().where(ObligationRow.version == VersionRow.id, ObligationRow.kind == "evaluate", ~_ANSWERED)
    found: set[str] = set()
    for some in chunks(sorted(versions)):
        query = select(VersionRow.id).where(VersionRow.id.in_(some), VersionRow.head.is_not(None))
        found |= set(connection.execute(query.where(or_(~counts, owed))).scalars())
    return found


def moved_uncounted(connection: Connection, versions: Collection[str]) -> set[str]:
    """Those of these versions that a retraction moved an alias to, and that have no counts since."""
    moved: set[str] = set()
    for some in chunks(sorted(versions)):
        query = select(AliasRow.version).join(ChangeRow, ChangeRow.number == AliasRow.change)
        moved |= set(connection.execute(query.where(ChangeRow.kind == "retract", AliasRow.version.in_(some))).scalars())
    return uncounted(connection, moved) if moved else set()


def _owe(connection: Connection, version: Version, questions: Iterable[Evaluate]) -> int:
    parents = (version.id,)
    count = sum([_enter(connection, "evaluate", version.id, question, parents) for question in questions])
    if count:
        owed = number_of(count, "evaluation of it is", "evaluations of it are")
        record_event(connection, "owed", version.id, f"{owed} asked of nodes")
    return count


def owe_credit(
    connection: Connection, version: str, questions: Iterable[tuple[Compare, Collection[str]]], parents: Collection[str]
) -> None:
    """Enter comparisons of a version with the averages of the others as owed.

    Args:
        connection: a transaction.
        version: the average.
        questions: the comparisons, each with keys of those whom it counts the average without.
        parents: the versions that all of them are made of.
    """
    count = sum([_enter(connection, "credit", version, question, parents, makers) for question, makers in questions])
    if count:
        owed = number_of(count, "comparison for its credit is", "comparisons for its credit are")
        record_event(connection, "owed", version, f"{owed} asked of nodes")


def _enter(
    connection: Connection,
    kind: Kind,
    version: str,
    question: Evaluate | Compare,
    parents: Collection[str],
    makers: Collection[str] = (),
) -> bool:
    """Enter one question, unless it is there; says whether it was entered."""
    same = (ObligationRow.work_id == question.digest, ObligationRow.version == version)
    if connection.execute(select(ObligationRow.work_id).where(*same)).first() is not None:
        return False
    what = "evaluate" if kind == "evaluate" else "credit of"
    label = f"{what} {version[:12]} on {', '.join(cell.domain for cell in question.cells)}"
    order = Order(round=ROUND, assignment=question, parents=tuple(parents), label=label[:120])
    row = {"work_id": question.digest, "version": version, "kind": kind, "makers": " ".join(sorted(makers))}
    connection.execute(insert(ObligationRow).values(**row, record=order.to_json().decode(), created=time.time()))
    return True


def _asked(connection: Connection, version: Version) -> Iterator[Evaluate]:
    """The evaluations that were answered of a version."""
    pair = (EvaluationRow.featurizer == version.featurizer, EvaluationRow.head == version.head)
    query = (
        select(ContributionRow.sealed)
        .where(ContributionRow.state == "admitted", ContributionRow.kind == "evaluate")
        .where(ContributionRow.receipt.in_(select(EvaluationRow.receipt).where(*pair)))
        .order_by(ContributionRow.created, ContributionRow.receipt)
    )
    for text in connection.execute(query).scalars():
        work = Receipt.from_json(Sealed.from_json(text).body).assignment
        if isinstance(work, Evaluate):
            yield work


def _version(connection: Connection, id: str) -> Version:
    return Version.from_json(connection.execute(select(VersionRow.record).where(VersionRow.id == id)).scalar_one())
