"""Averages of the others: the members of an average, whose they are, and what the average is without each of them.

A member is a version that a training, an import or a mix made. An average of averages counts as one mean of its members
with the shares that they have in it. A contributor is a member of the federation with all its keys, or a key of nobody
known; leaving it out leaves out all that is its.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, select

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Mixture
from ratatouille.exchange.leave_one_out import (
    MOST_TERMS,
    Parts,
    flattened,
    is_plain_mean,
    mixture,
    network,
    without,
)
from ratatouille.exchange.version import Combination
from registry.history.lineage import composition, reached, shares_of
from registry.ledger.answers import answer
from registry.ledger.members.queries import memberships
from registry.ledger.revisions import resolve
from registry.lists import chunks
from registry.records import Entry
from registry.schema import ContributionRow, VersionRow

_RECEIPTS: BindParameter[Any] = bindparam("receipts", expanding=True)
_SIGNED = select(ContributionRow.receipt, ContributionRow.task, ContributionRow.sealed).where(
    ContributionRow.receipt.in_(_RECEIPTS), ContributionRow.kind == "fine_tune"
)
_TRAININGS = (
    select(ContributionRow.sealed)
    .join(VersionRow, VersionRow.receipt == ContributionRow.receipt)
    .where(VersionRow.id.in_(reached()), ContributionRow.kind.in_(("probe", "fine_tune")))
    .where(ContributionRow.task == bindparam("of_task"))
)


@dataclass(frozen=True)
class LeftOut:
    """Somebody's part of an average, and the average without it."""

    versions: tuple[str, ...]
    contributors: tuple[str, ...]
    rest: Combination | None
    reason: str = ""
    """Why there is no average of the others."""


@dataclass(frozen=True)
class MemberAverage:
    """An average, taken apart."""

    entry: Entry
    whole: Combination
    """It as one combination of its members."""
    members: Mapping[str, Entry]
    shares: Mapping[str, Fraction]
    authors: Mapping[str, tuple[str, ...]]
    """Contributors of each member."""
    names: Mapping[str, str]
    """Of contributors."""
    domains: Mapping[str, frozenset[str]]
    """Those of its task that each contributor trained on for it."""
    trials: frozenset[int]
    """Of the splits that its members trained on."""

    @property
    def parts(self) -> dict[str, Parts]:
        """Of each member, by version."""
        return {id: parts_of(one) for id, one in self.members.items()}

    @cached_property
    def contributors(self) -> tuple[LeftOut, ...]:
        """Each contributor with all members that are theirs, by id."""
        theirs: dict[str, list[str]] = defaultdict(list)
        for version, authors in self.authors.items():
            for one in authors:
                theirs[one].append(version)
        return tuple(self._left_out(versions, (who,)) for who, versions in sorted(theirs.items()))

    @cached_property
    def contributions(self) -> tuple[LeftOut, ...]:
        """Each member, by id."""
        return tuple(self._left_out([version], self.authors[version]) for version in sorted(self.members))

    def _left_out(self, versions: Sequence[str], contributors: tuple[str, ...]) -> LeftOut:
        versions = tuple(sorted(versions))
        try:
            return LeftOut(versions, contributors, without(self.whole, versions))
        except Refusal as refusal:
            return LeftOut(versions, contributors, None, str(refusal))


def average_of(connection: Connection, revision: str) -> MemberAverage:
    """A version as an average of its members.

    Raises:
        Refusal: for one that is no average, has no head, or has too many members.
    """
    id = resolve(connection, revision)
    found, _, _ = composition(connection, id)
    entry = found[id]
    if entry.version.rule.name != "combine":
        raise Refusal(f"version {id[:12]}… is no average: it is one contribution, and there are no others")
    if entry.version.head is None:
        raise Refusal(f"version {id[:12]}… has no head, so nothing of it can be counted")
    shares, whole = _taken_apart(entry, found)
    if len(shares) > MOST_TERMS:
        raise Refusal(f"version {id[:12]}… has {len(shares)} members; credit is of averages of {MOST_TERMS} at most")
    members = {member: found[member] for member in sorted(shares)}
    makers = {member: list(_makers(one, found)) for member, one in members.items()}
    people = memberships(connection, {one.node for ones in makers.values() for one in ones if one.node})
    authors: dict[str, tuple[str, ...]] = {}
    names: dict[str, str] = {}
    trained: dict[str, set[str]] = defaultdict(set)
    trials = set()
    signed = _domains(connection, [one for ones in makers.values() for one in ones], entry.version.task)
    for member, ones in makers.items():
        who: dict[str, str] = {}
        for one in ones:
            known = people.get(str(one.node))
            person = known.member if known else str(one.node)
            who[person] = known.name if known else one.contributor or person[:10]
            domains, trial = signed.get(one.id, ((), None))
            trained[person].update(domains)
            trials |= set() if trial is None else {trial}
        authors[member] = tuple(sorted(who))
        names |= who
    domains = {who: frozenset(some) for who, some in trained.items()}
    return MemberAverage(entry, whole, members, shares, authors, names, domains, frozenset(trials))


def parts_of(entry: Entry) -> Parts:
    """The parts of a version with a head."""
    return Parts(entry.version.featurizer, str(entry.version.head))


def person_of(connection: Connection, keys: Iterable[str]) -> Mapping[str, str]:
    """The contributor that each key belongs to: a member's id, or the key itself."""
    keys = set(keys)
    known = memberships(connection, keys)
    return {key: known[key].member if key in known else key for key in keys}


def trained_domains(connection: Connection, average: MemberAverage) -> frozenset[str]:
    """Domains of its task that a training or a probe of its history knew: all others are held out."""
    values = {"start": average.entry.id, "of_task": average.entry.version.task}
    rows = connection.execute(_TRAININGS, values, execution_options={"yield_per": 100}).scalars()
    return frozenset(domain for sealed in rows for domain in _assignment(sealed)["domains"])


def network_without(connection: Connection, average: MemberAverage, left: LeftOut) -> Mixture | None:
    """The average of the others as a network; None while it has to be made in the registry first, or cannot be."""
    if left.rest is None:
        return None
    made = mixture(left.rest, average.parts)
    if made is not None:
        return made
    known = answer(connection, left.rest.work_id)
    if known is None or known.featurizer is None or known.head is None:
        return None
    return network(Parts(known.featurizer, known.head))


def _taken_apart(entry: Entry, found: Mapping[str, Entry]) -> tuple[Mapping[str, Fraction], Combination]:
    """The shares of the members, and the average as one combination of them."""
    whole = Combination.of(entry.version)
    if not is_plain_mean(whole):  # of mixes and of methods that are no mean, only the parents can be left out
        return shares_of(entry.id, [entry])[0], whole
    plain, waiting = {entry.id: entry}, [entry]
    while waiting:
        for parent in waiting.pop().version.parents:
            one = found[parent.version]
            combined = one.version.rule.name == "combine" and one.id not in plain
            if combined and is_plain_mean(Combination.of(one.version)):
                plain[one.id] = one
                waiting.append(one)
    shares, _ = shares_of(entry.id, plain.values())
    return shares, whole if len(plain) == 1 else flattened(shares)


def _makers(member: Entry, found: Mapping[str, Entry]) -> Iterator[Entry]:
    """The versions whose authors a member is by: the trainings and imports that it was mixed from, or itself."""
    waiting, seen, others = [member], {member.id}, []
    trained = False
    while waiting:
        one = waiting.pop()
        if one.version.rule.name == "combine":
            new = {parent.version for parent in one.version.parents} - seen
            seen |= new
            waiting += [found[id] for id in sorted(new)]
        elif one.version.rule.name == "probe":
            others.append(one)
        else:
            trained = True
            yield one
    if not trained:
        yield from others


def _domains(
    connection: Connection, made: Sequence[Entry], task: str | None
) -> dict[str, tuple[Collection[str], int | None]]:
    """Domains of a task and the trial, of those versions that a training of this task made."""
    by_receipt = {one.version.receipt: one.id for one in made if one.version.receipt is not None}
    found: dict[str, tuple[Collection[str], int | None]] = {}
    for some in chunks(sorted(by_receipt)):
        for row in connection.execute(_SIGNED, {"receipts": some}):
            if row.task == task:
                work = _assignment(row.sealed)
                found[by_receipt[row.receipt]] = (work["domains"], work["trial"])
    return found


def _assignment(sealed: str) -> dict[str, Any]:
    """What a receipt answers, without reading its counts; the receipt was checked before it was kept."""
    work: dict[str, Any] = json.loads(json.loads(sealed)["body"])["assignment"]
    return work
