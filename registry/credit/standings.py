"""Standings: values of leave-one-out with their intervals, and what noise allows to say about the contributors' order.

The value of somebody is the accuracy of the whole less that of the average of the others, on the same images. Both
halves of that difference are counts of one comparison, so the interval is a paired one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from sqlalchemy import Connection, select

from ratatouille.exchange.assignment import Mixture, Split
from ratatouille.exchange.leaderboard import chance, holm, places
from ratatouille.exchange.leave_one_out import network
from ratatouille.exchange.statistics import Ahead, mean_ahead
from ratatouille.tasks.holding import Holding
from registry.credit.averages_of_others import LeftOut, MemberAverage, average_of, network_without, parts_of, person_of
from registry.credit.counts import Answers, Both, Counted, accuracy, ahead, answers_of, summed
from registry.history.lineage import readable_fraction
from registry.records import Credit, DomainGain, LeaveOneOut, MeanGain
from registry.schema import HoldingRow

MOST_PLACED = 200
"""Contributors whose order is looked at, each with each; of more no places are named."""


@dataclass(frozen=True)
class DomainCount:
    """The whole beside the average of the others, on one domain."""

    split: Split
    parts: tuple[Counted, ...]
    counts: Both
    """The whole is the first network."""
    self_reported: bool
    counts_for_places: bool
    """Whether it is independent, or nobody else has images of the domain."""


@dataclass(frozen=True)
class Line:
    """One row on its way: what is left out, the network without it, and its counts by domain."""

    left: LeftOut
    network: Mixture | None
    domains: Mapping[str, DomainCount]


def credit(connection: Connection, revision: str) -> Credit:
    """What is known of the credit of an average.

    Raises:
        Refusal: as `average_of`.
    """
    average = average_of(connection, revision)
    found = answers_of(connection, average.entry.id)
    whole = network(parts_of(average.entry))
    holders = _holders(connection, average.entry.version.task)

    def lines(rows: Sequence[LeftOut]) -> list[Line]:
        return [_line(connection, average, one, found, whole, holders) for one in rows]

    counted = found.domains
    held_out = sorted(domain for domain, split in counted.items() if split == "all")
    domains = held_out or sorted(counted)
    share = accuracy(found, whole, domains)
    contributors = _placed(average, lines(average.contributors), domains, found)
    contributions = [_row(average, one, domains, found) for one in lines(average.contributions)]
    return Credit(
        version=average.entry.id,
        task_name=average.entry.task_name,
        method=average.entry.version.rule.method,
        basis=None if not counted else "held_out" if held_out else "trained",
        accuracy=None if share is None else float(share),
        contributors=tuple(_ordered(contributors)),
        contributions=tuple(_ordered(contributions)),
        questions=found.questions,
        answered=len(found.counted),
        networks=found.networks,
        seconds=found.seconds,
    )


def _holders(connection: Connection, task: str | None) -> Mapping[str, frozenset[str]]:
    """Contributors who have, or had, images of each domain of a task."""
    query = select(HoldingRow.node, HoldingRow.record).where(HoldingRow.task == task)
    rows = connection.execute(query).all()
    people = person_of(connection, [row.node for row in rows])
    found: dict[str, set[str]] = {}
    for row in rows:
        for domain in Holding.from_json(row.record).domains:
            found.setdefault(domain, set()).add(people[row.node])
    return {domain: frozenset(some) for domain, some in found.items()}


def _line(
    connection: Connection,
    average: MemberAverage,
    left: LeftOut,
    found: Answers,
    whole: Mixture,
    holders: Mapping[str, frozenset[str]],
) -> Line:
    rest = network_without(connection, average, left)
    domains: dict[str, DomainCount] = {}
    for domain, split in sorted(found.domains.items()) if rest is not None else ():
        assert rest is not None
        independent = found.of(domain, rest, left.contributors, True)
        parts = independent or found.of(domain, rest, left.contributors, False)
        counts = [both for one in parts if (both := one.between(domain, whole, rest)) is not None]
        if counts:
            alone = not holders.get(domain, frozenset()) - set(left.contributors)
            domains[domain] = DomainCount(
                split, tuple(parts), summed(counts), not independent, bool(independent) or alone
            )
    return Line(left, rest, domains)


def _row(average: MemberAverage, line: Line, domains: Collection[str], found: Answers) -> LeaveOneOut:
    left = line.left
    share = sum((average.shares[version] for version in left.versions), Fraction(0))
    own = frozenset().union(*(average.domains.get(one, frozenset()) for one in left.contributors))
    usable = {name: one for name, one in line.domains.items() if name in domains and one.counts_for_places}
    return LeaveOneOut(
        versions=left.versions,
        contributors=left.contributors,
        names=tuple(average.names[one] for one in left.contributors),
        share=float(share),
        exact=readable_fraction(share),
        reason=left.reason or ("" if usable else _missing(line, domains, found)),
        gain=_mean(usable.values()),
        own=_mean(one for name, one in line.domains.items() if name in own and one.split != "all"),
        domains=tuple(_domain_gain(name, one) for name, one in line.domains.items()),
    )


def _missing(line: Line, domains: Collection[str], found: Answers) -> str:
    """Why there is no value yet."""
    if any(name in domains for name in line.domains):
        return "only its own nodes have counted it, and others have such images too"
    return "not counted yet" if found.questions else "nobody has asked nodes to count it"


def _domain_gain(domain: str, one: DomainCount) -> DomainGain:
    found = ahead(one.counts)
    low, high = found.interval
    return DomainGain(
        value=found.value,
        low=low,
        high=high,
        images=one.counts.images,
        domain=domain,
        split=one.split,
        self_reported=one.self_reported,
    )


def _mean(domains: Iterable[DomainCount]) -> MeanGain | None:
    kept = list(domains)
    if not kept:
        return None
    found = mean_ahead([ahead(one.counts) for one in kept])
    low, high = found.interval
    return MeanGain(
        value=found.value,
        low=low,
        high=high,
        images=sum(one.counts.images for one in kept),
        domains=len(kept),
        self_reported=any(one.self_reported for one in kept),
    )


def _ordered(rows: Iterable[LeaveOneOut]) -> list[LeaveOneOut]:
    """The highest value first, then those that have none."""
    return sorted(rows, key=lambda row: (row.gain is None, -(row.gain.value if row.gain else row.share), row.versions))


def _placed(average: MemberAverage, lines: Sequence[Line], domains: Sequence[str], found: Answers) -> list[LeaveOneOut]:
    """The contributors' rows with effects and places."""
    rows = [_row(average, line, domains, found) for line in lines]
    valued = [number for number, row in enumerate(rows) if row.gain is not None]
    kept = [_usable(lines[number], domains) for number in valued]
    gains = [mean_ahead([ahead(one.counts) for one in counts.values()]) for counts in kept]
    for number, gain, sure in zip(valued, gains, holm([chance(one) for one in gains]), strict=True):
        effect = ("helps" if gain.centre > 0 else "harms") if sure else "unclear"
        rows[number] = rows[number].model_copy(update={"effect": effect})
    if len(valued) > MOST_PLACED:
        return rows
    pairs = list(combinations(range(len(valued)), 2))
    apart = [_difference(lines[valued[one]], lines[valued[other]], kept[one], kept[other]) for one, other in pairs]
    stands = holm([1.0 if gap is None else chance(gap) for gap in apart])
    ordered = {
        (one, other) if gap.centre > 0 else (other, one)
        for (one, other), gap, sure in zip(pairs, apart, stands, strict=True)
        if sure and gap is not None
    }
    for number, (first, last) in zip(valued, places([gain.share for gain in gains], ordered), strict=True):
        rows[number] = rows[number].model_copy(update={"first_place": first, "last_place": last})
    return rows


def _usable(line: Line, domains: Collection[str]) -> dict[str, DomainCount]:
    return {name: one for name, one in line.domains.items() if name in domains and one.counts_for_places}


def _difference(
    first: Line, second: Line, ones: Mapping[str, DomainCount], others: Mapping[str, DomainCount]
) -> Ahead | None:
    """How far the first value is ahead of the second, over the domains of both; None where they share none.

    It is the accuracy without the second less that without the first, which is paired where both stand in the same
    comparisons. Elsewhere the standard deviation is at most the sum of the two, which is taken.
    """
    assert first.network is not None
    assert second.network is not None
    if first.network == second.network:
        return None
    strata = []
    for domain in sorted(ones.keys() & others.keys()):
        one, other = ones[domain], others[domain]
        if one.parts == other.parts:
            counts = [part.between(domain, second.network, first.network) for part in one.parts]
            strata.append(ahead(summed(both for both in counts if both is not None)))
        else:
            p, q = ahead(one.counts), ahead(other.counts)
            deviation = math.sqrt(p.variance) + math.sqrt(q.variance)
            strata.append(Ahead(p.share - q.share, p.centre - q.centre, deviation**2))
    return mean_ahead(strata) if strata else None
