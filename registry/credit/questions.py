"""Comparisons for the credit of an average: what nodes are asked to count, on which images, and who should not count.

One comparison for each holding counts the whole and the averages of the others on the same images, with all pairs.
Images of domains that no training of the history knew are all counted. Of other domains the test images are, or the
validation images where the task has no others. A holding that only contributors offer is asked in two comparisons, so
that each contributor's part can be counted by another one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Connection, select

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Mixture
from ratatouille.exchange.leave_one_out import mixture, network
from ratatouille.exchange.membership import Offer
from ratatouille.tasks.holding import Holding
from registry import averages
from registry.contributions.membership import offers
from registry.credit.averages_of_others import (
    LeftOut,
    MemberAverage,
    average_of,
    network_without,
    parts_of,
    person_of,
    trained_domains,
)
from registry.ledger.claims import removed
from registry.ledger.obligations import countable, obligations, owe_credit, uncountable
from registry.lists import chunks
from registry.records import Obligation
from registry.schema import ContributionRow
from registry.storage import Storage

UNSEEN: tuple[Literal["test", "validation"], ...] = ("test", "validation")
"""Splits that no run trained on, in the order in which they are looked for."""
TOGETHER = 39
"""Averages of the others in one comparison, beside the whole: 40 networks have 780 pairs on each domain."""
TERMS = 2000
"""Members of all of them together, about, so that an order stays small enough for the work lane."""
MOST_REPEATS = 10
"""How often a comparison is asked anew, since those whom it is about have answered it."""


class Other(NamedTuple):
    """An average of the others."""

    network: Mixture
    makers: frozenset[str]
    """Contributors who are left out."""


def ask(storage: Storage, revision: str, image_size: int) -> list[Obligation]:
    """Enter the comparisons for the credit of an average, and make the averages that nodes cannot make themselves.

    Returns those that are open.

    Raises:
        Refusal: for a version that is no average or that nodes do not count, and where weights of a member are removed.
    """
    with storage.database.read() as connection:
        average = average_of(connection, revision)
        countable(connection, average.entry.id)
        _refuse_removed(connection, average)
    made = []
    for left in (*average.contributors, *average.contributions):
        if left.rest is not None and mixture(left.rest, average.parts) is None:
            message = f"without {', '.join(left.versions)[:200]}, for the credit of {average.entry.id[:12]}"
            made.append(averages.combine(storage.database, storage.blobs, left.rest, None, message).version)
    parents = (average.entry.id, *average.members, *dict.fromkeys(map(str, made)))
    with storage.database.write() as connection:
        try:
            questions = list(_questions(connection, average, image_size))
        except ValidationError as error:
            raise uncountable(error) from error
        owe_credit(connection, average.entry.id, questions, parents)
        return obligations(connection, average.entry.id, "credit")


def others_of(connection: Connection, average: MemberAverage, rows: Iterable[LeftOut]) -> Iterator[Other]:
    """The averages without each of these, as far as they can be counted; the same network comes once."""
    makers: dict[Mixture, frozenset[str]] = {}
    for left in rows:
        made = network_without(connection, average, left)
        if made is not None:
            makers[made] = makers.get(made, frozenset()) | frozenset(left.contributors)
    for made in sorted(makers, key=lambda one: one.digest):
        yield Other(made, makers[made])


def _refuse_removed(connection: Connection, average: MemberAverage) -> None:
    parts = {part for one in average.parts.values() for part in one}
    if gone := removed(connection, parts):
        lacking = sum(bool(gone.keys() & set(one)) for one in average.parts.values())
        raise Refusal(
            f"the weights of {lacking} of its {len(average.members)} members were removed by gc, so the average of the "
            "others cannot be made"
        )


def _questions(
    connection: Connection, average: MemberAverage, image_size: int
) -> Iterator[tuple[Compare, Collection[str]]]:
    """Each comparison, with keys of those whom it counts the average without."""
    here = offers(connection)
    people = person_of(connection, [offer.node for offer in here])
    trained = trained_domains(connection, average)
    lots = _lots(connection, average)
    whole = network(parts_of(average.entry))
    for holding, holders in _holdings(here, people, average.entry.version.task):
        cells = tuple(_cells(holding, trained, average.trials))
        for lot in lots if cells else ():
            for some in _split(lot, holders):
                makers = frozenset().union(*(one.makers for one in some))
                question = Compare(
                    architecture=average.entry.version.architecture,
                    task=holding.task,
                    fingerprint=holding.fingerprint,
                    trial=_trial(average.trials),
                    image_size=image_size,
                    networks=(whole, *(one.network for one in some)),
                    cells=cells,
                    pairs=True,
                )
                yield _not_by(connection, question, makers, holders), makers


def _lots(connection: Connection, average: MemberAverage) -> list[list[Other]]:
    """The averages of the others in lots: those without a contributor first, so that these stand beside each other."""
    contributors = list(others_of(connection, average, average.contributors))
    known = {one.network for one in contributors}
    rest = [one for one in others_of(connection, average, average.contributions) if one.network not in known]
    return list(chunks([*contributors, *rest], max(1, min(TOGETHER, TERMS // len(average.members)))))


def _holdings(
    here: Sequence[Offer], people: Mapping[str, str], task: str | None
) -> Iterator[tuple[Holding, frozenset[str]]]:
    """Each holding of a task that is offered, with the contributors who offer it."""
    held: dict[str, Holding] = {}
    holders: dict[str, set[str]] = {}
    for offer in here:
        for holding in offer.holdings:
            if holding.task == task:
                held.setdefault(holding.fingerprint, holding)
                holders.setdefault(holding.fingerprint, set()).add(people[offer.node])
    for fingerprint in sorted(held):
        yield held[fingerprint], frozenset(holders[fingerprint])


def _trial(trials: Collection[int]) -> int:
    return next(iter(trials)) if len(trials) == 1 else 0


def _cells(holding: Holding, trained: Collection[str], trials: Collection[int]) -> Iterator[Cell]:
    """What is counted of a holding. Of members of several trials no image of a trained domain is new to all."""
    for domain in holding.domains:
        if domain not in trained and holding.total(domain):
            yield Cell(domain=domain, split="all")
        elif domain in trained and len(trials) < 2:
            kept = (split for split in UNSEEN if holding.total(domain, split))
            if split := next(kept, None):
                yield Cell(domain=domain, split=split)


def _split(lot: Sequence[Other], holders: Collection[str]) -> list[list[Other]]:
    """One comparison, or two where only contributors of it hold the data: one of them counts the others' parts, and
    another one its part.
    """
    makers = frozenset().union(*(one.makers for one in lot))
    if len(holders) < 2 or set(holders) - makers:
        return [list(lot)]
    first = min(holders)
    theirs = [one for one in lot if first in one.makers]
    return [some for some in ([one for one in lot if first not in one.makers], theirs) if some]


def _not_by(connection: Connection, question: Compare, makers: Collection[str], holders: Collection[str]) -> Compare:
    """The question, asked anew where somebody whom it is about has answered it and another one has the data."""
    for repeat in range(MOST_REPEATS if set(holders) - set(makers) else 1):
        question = question.model_copy(update={"repeat": repeat})
        query = select(ContributionRow.node).where(ContributionRow.state == "admitted")
        node = connection.execute(query.where(ContributionRow.work_id == question.digest)).scalar()
        if node is None or person_of(connection, [node])[node] not in makers:
            break
    return question
