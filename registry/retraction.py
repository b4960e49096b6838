"""Retraction: a version or counts are taken back, their question is open again, and averages are made again without.

Counts (an evaluation, a comparison) make no version. The scores that they had a part in are made again in the same
transaction.

For a version the averaging comes first, outside of any transaction, and makes ordinary versions. A process that ends
there leaves a correct average that nothing uses, and a repeated call finds it. Then one transaction reads again what is
touched, changes every state, moves the aliases and keeps the answer. What was trained from the version stands: nothing
can take that influence back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, func, select, update

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.change import Retract, RetractCounts
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Combination
from registry.averages import combine
from registry.blobs.access import Blobs
from registry.database import Database
from registry.ledger.claims import Removed
from registry.ledger.descendants import (
    Make,
    StandingAverage,
    averages_with,
    come_from,
    fallen,
    in_order,
    make_again,
    without_weights,
)
from registry.ledger.event_log import record_event
from registry.ledger.members.queries import same_person
from registry.ledger.members.standing import refuse_revoked, refuse_work_of_others
from registry.ledger.obligations import owe_as_before
from registry.ledger.releases import aliases, follow
from registry.ledger.signed_changes import by, enter_change, keep_outcome, known_change
from registry.lists import fitting
from registry.records import Naming, Retraction, Touched
from registry.schema import ChangeRow, ContributionRow, TagRow, VersionRow
from registry.scores import count_again


def retract_counts(connection: Connection, sealed: Sealed, change: RetractCounts) -> None:
    """Take counts back; once more changes nothing, also after they were restored.

    Raises:
        Refusal: for an unknown receipt, one that made a version, or one of another contributor.
    """
    query = select(ContributionRow.state, ContributionRow.kind, ContributionRow.node, ContributionRow.work_id)
    row = connection.execute(query.where(ContributionRow.receipt == change.receipt)).first()
    if row is None:
        raise Refusal(f"there is no receipt {change.receipt[:12]}… here; `ratatouille withdraw` lists yours")
    if row.kind not in ("evaluate", "compare"):
        raise Refusal(f"receipt {change.receipt[:12]}… is of a {row.kind}: take the version back that it made")
    if row.state == "retracted" or known_change(connection, sealed) is not None:
        return
    refuse_work_of_others(connection, sealed.node, row.node, f"receipt {change.receipt[:12]}…")
    verb = "withdrawn" if standing(connection, sealed, row.node) == "contributor" else "retracted"
    enter_change(connection, sealed, change)
    receipt = ContributionRow.receipt == change.receipt
    connection.execute(update(ContributionRow).where(receipt).values(state="retracted", reason=change.message))
    count_again(connection, change.receipt)
    text = f"counts {verb} by {by(sealed, change)}: {change.message}"
    record_event(connection, "retraction", row.work_id, text, about=sealed.digest)


ATTEMPTS = 20
"""How often it is looked again when others change the same part of the history meanwhile."""
MOST_INFLUENCED = 10_000
"""Versions that one answer names."""


@dataclass(frozen=True)
class Scope:
    """The part of the history that a retraction touches; two are equal while it has not changed."""

    version: str
    round: str | None
    receipt: str | None
    standing: Literal["contributor", "maintainer"]
    averages: tuple[StandingAverage, ...]
    """In the order in which they can be made again."""
    absent: tuple[str, ...]
    """Parents of these that do not stand."""
    collected: tuple[str, ...]
    """Parents of these whose weights were removed by gc."""


def retract(database: Database, blobs: Blobs, sealed: Sealed, change: Retract, dry_run: bool = False) -> Retraction:
    """Take a version back; once more it is answered as the first time.

    Args:
        database: the registry's.
        blobs: the registry's.
        sealed: the change as it was signed.
        change: what is in it.
        dry_run: say what would happen, and change nothing.

    Raises:
        Refusal: for an unknown version, or, by a contributor, one that is not theirs.
        Unreachable: when there is no room for an average, or others change the same versions all the time.
    """
    for _ in range(ATTEMPTS):
        with database.read() as connection:
            found = _scope(connection, sealed, change)
            if isinstance(found, Retraction):
                return found
            influenced = come_from(connection, found.version, [average.id for average in found.averages])
        make = _made_in_dry_run(found) if dry_run else _combined(database, blobs, found)
        touched = make_again(found.averages, (found.version, *found.absent), make)
        draft = Retraction(
            version=found.version,
            standing=found.standing,
            message=change.message,
            author=change.author,
            node=sealed.node,
            at=time.time(),
            averages=tuple(one.model_copy(update={"replacement": None}) for one in touched) if dry_run else touched,
            influenced=tuple(influenced[:MOST_INFLUENCED]),
            influenced_in_all=len(influenced),
        )
        if dry_run:
            with database.read() as connection:
                return _named(connection, draft)
        with database.write() as connection:
            now = _scope(connection, sealed, change)
            if isinstance(now, Retraction):
                return now
            if now == found and _stand(connection, touched):
                return _enter(connection, sealed, change, found, draft)
    raise Unreachable(f"the averages with {change.version[:12]}… are changed by others all the time; try again")


def retractions(connection: Connection, before: int | None, limit: int) -> list[Retraction]:
    """What was taken back, latest first."""
    query = select(ChangeRow.number).where(ChangeRow.kind == "retract")
    if before is not None:
        query = query.where(ChangeRow.number < before)
    numbers = connection.execute(query.order_by(ChangeRow.number.desc()).limit(limit)).scalars()
    found = (_answered(connection, number) for number in numbers.all())
    return list(fitting(found, lambda one: 200 + 70 * len(one.influenced) + 200 * len(one.averages)))


def count_retractions(connection: Connection) -> int:
    """A number that grows with each retraction, of counts too."""
    query = select(func.count()).where(ChangeRow.kind.in_(("retract", "retract_counts")))
    return int(connection.execute(query).scalar_one())


def standing(connection: Connection, sealed: Sealed, contributor: str | None) -> Literal["contributor", "maintainer"]:
    """As what a signer takes a contribution back: as the person who gave it, by any key, or as a maintainer."""
    gave = contributor is not None and same_person(connection, sealed.node, contributor)
    return "contributor" if gave else "maintainer"


def _scope(connection: Connection, sealed: Sealed, change: Retract) -> Scope | Retraction:
    """The part of the history that would be touched now, or the retraction, if the version was taken back before."""
    row = connection.execute(select(VersionRow).where(VersionRow.id == change.version)).first()
    if row is None:
        raise Refusal(f"there is no version {change.version[:12]}…; `ratatouille log` shows those that there are")
    number = known_change(connection, sealed) or (row.retraction if row.state == "retracted" else None)
    if number is not None:
        return _answered(connection, number)
    refuse_revoked(connection, sealed.node)  # before the work, and in a dry run too
    refuse_work_of_others(connection, sealed.node, row.node, f"version {change.version[:12]}…")
    averages = in_order(averages_with(connection, change.version))
    others = {parent.version for average in averages for parent in average.version.parents}
    others -= {change.version, *(average.id for average in averages)}
    absent, collected = fallen(connection, others), without_weights(connection, others)
    return Scope(row.id, row.round, row.receipt, standing(connection, sealed, row.node), averages, absent, collected)


def _answered(connection: Connection, number: int) -> Retraction:
    """What a retraction did; of one that was made in another registry only the change itself is known."""
    row = connection.execute(select(ChangeRow).where(ChangeRow.number == number)).one()
    if row.outcome is not None:
        return Retraction.from_json(row.outcome)
    sealed = Sealed.from_json(row.sealed)
    change = Retract.from_json(sealed.body)
    signed = connection.execute(select(VersionRow.node).where(VersionRow.id == change.version)).scalar()
    return Retraction(
        version=change.version,
        number=number,
        standing=standing(connection, sealed, signed),
        message=change.message,
        author=change.author,
        node=sealed.node,
        at=change.at,
    )


def _combined(database: Database, blobs: Blobs, found: Scope) -> Make:
    """Averages are made again as versions of their own, in the round of the one that they replace."""

    def make(combination: Combination, average: StandingAverage) -> str:
        with database.read() as connection:
            _refuse_retracted(connection, combination)
        count, without = len(combination.parents), found.version[:12]
        message = f"{combination.purpose} of {count}, made again without {without}…"
        made = combine(database, blobs, combination, average.round, message)
        assert made.version is not None
        if made.collected is not None:
            raise Removed(f"of the average of what remains, {made.version[:12]}…,", made.collected)
        return made.version

    return make


def _made_in_dry_run(found: Scope) -> Make:
    """Make nothing, for a dry run: an average counts as its own replacement."""

    def make(combination: Combination, average: StandingAverage) -> str:
        gone = [parent.version[:12] for parent in combination.parents if parent.version in found.collected]
        if gone:
            raise Refusal(f"gc removed the weights of {', '.join(gone)}")
        return average.id

    return make


def _refuse_retracted(connection: Connection, combination: Combination) -> None:
    """Refuse an average that was itself taken back: a retraction does not make it again."""
    query = (
        select(VersionRow.id)
        .join(ChangeRow, ChangeRow.number == VersionRow.retraction)
        .where(VersionRow.work_id == combination.work_id, VersionRow.state == "retracted")
        .where(ChangeRow.subject == VersionRow.id)
    )
    retracted = connection.execute(query).scalar()
    if retracted is not None:
        raise Refusal(f"the average of what remains, {retracted[:12]}…, was retracted itself")


def _stand(connection: Connection, touched: Sequence[Touched]) -> bool:
    """Whether all replacements are there still, with their weights."""
    ids = {one.replacement for one in touched if one.replacement is not None}
    return not fallen(connection, ids) and not without_weights(connection, ids)


def _enter(connection: Connection, sealed: Sealed, change: Retract, found: Scope, draft: Retraction) -> Retraction:
    """Everything at once: the change, all states, the aliases, the events, and the answer."""
    number = enter_change(connection, sealed, change)
    done = _named(connection, draft.model_copy(update={"number": number}))
    who, short = by(sealed, change), found.version[:12]
    for one in (Touched(version=found.version, parents=0), *done.averages):
        values = {"state": "retracted", "retraction": number, "replacement": one.replacement}
        connection.execute(update(VersionRow).where(VersionRow.id == one.version).values(**values))
    if found.receipt is not None:
        row = update(ContributionRow).where(ContributionRow.receipt == found.receipt)
        connection.execute(row.values(state="retracted", reason=change.message))
        count_again(connection, found.receipt)
    verb = "withdrawn" if found.standing == "contributor" else "retracted"
    text = f"{verb} by {who}: {change.message}"
    record_event(connection, "retraction", found.version, text, found.round, sealed.digest)
    rounds = {average.id: average.round for average in found.averages}
    for one in done.averages:
        outcome = f"replaced by {one.replacement[:12]}…" if one.replacement else f"not replaced: {one.reason}"
        text = f"lost {short}…, {outcome}"
        record_event(connection, "retraction", one.version, text, rounds[one.version], sealed.digest)
    for alias in done.aliases:
        if alias.replacement is not None:
            why = f"{short}… was {verb} by {who}: {change.message}"
            follow(connection, alias, why, sealed, number)
    for one in done.averages:
        if one.replacement is not None:
            owe_as_before(connection, one.version, one.replacement)
    keep_outcome(connection, number, done)
    return done


def _named(connection: Connection, draft: Retraction) -> Retraction:
    """The answer with the names that point at what is taken back."""
    now: Mapping[str, str | None] = {draft.version: None} | {one.version: one.replacement for one in draft.averages}
    moved = [(name, version) for name, version in aliases(connection).items() if version in now]
    query = select(TagRow.name, TagRow.version).where(TagRow.version.in_(now)).order_by(TagRow.name)
    tagged = [(row.name, row.version) for row in connection.execute(query)]
    return draft.model_copy(
        update={
            "aliases": tuple(Naming(name=name, version=id, replacement=now[id]) for name, id in moved),
            "tags": tuple(Naming(name=name, version=id) for name, id in tagged),
        }
    )
