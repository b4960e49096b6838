"""Rounds that ended, for one node: which of its trainings went into which average, and what became of the others.

The registry gives the same answers to every reader; only the key that is looked for is the node's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ratatouille.errors import Refusal
from ratatouille.wording import number_of
from registry.lists import MOST_ROWS, every
from registry.records import OVER, Entry, LogQuery, RoundRecord
from registry.services.registry import Registry

_MOST_AVERAGES = 3
"""Averages that a sentence names."""
_NOT_USED = {
    "duplicate": "came second, so another answer stands",
    "rejected": "rejected",
    "retracted": "taken back",
}


class EndedRounds:
    """What became of one node's work in each round; a round is looked at until it is over, and said once."""

    def __init__(self, registry: Registry, node: str) -> None:
        self._registry, self._node = registry, node
        self._said: set[str] = set()

    def sentences(self, rounds: Iterable[str]) -> list[str]:
        """A sentence about each of these rounds (by id) that is over and was not said yet.

        Raises:
            Unreachable: when the registry does not answer.
        """
        found = []
        for id in rounds:
            if id not in self._said:
                try:
                    round = self._registry.rounds.round(id)
                    if round.state in OVER:
                        found.append(sentence(self._registry, self._node, round))
                        self._said.add(id)
                except Refusal:  # an evaluation that is owed belongs to no round
                    self._said.add(id)
        return found


def sentence(registry: Registry, node: str, round: RoundRecord) -> str:
    """What became of a node's work for a round that is over.

    Raises:
        Unreachable: when the registry does not answer.
    """
    query = LogQuery(round=round.id)
    entries = list(every(lambda last: registry.versions.log(query, last.number if last else None, MOST_ROWS)))
    trained = {one.id for one in entries if one.node == node and one.version.rule.name == "fine_tune"}
    taken, averages = _taken(registry, trained, [one for one in entries if one.version.rule.name == "combine"])
    others = Counter(
        _NOT_USED.get(one.state, one.state) if one.state != "admitted" else one.kind
        for one in registry.work.submissions([node], None, MOST_ROWS)
        if one.created >= round.created
    )
    clauses = []
    if trained:
        where = f" in {', '.join(averages)}" if averages else " in an average"
        clauses.append(f"{len(taken)} of this node's {number_of(len(trained), 'training')} {_are(taken)}{where}")
        if rest := len(trained) - len(taken):
            clauses.append(f"{rest} in none")
    if answers := others["evaluate"] + others["compare"] + others["probe"]:
        clauses.append(f"{number_of(answers, 'answer')} with counts or heads used")
    clauses += [f"{others[why]} {why}" for why in _NOT_USED.values() if others[why]]
    because = f" ({round.reason})" if round.reason and round.state != "done" else ""
    return f"round {round.name} is {round.state}{because}: {'; '.join(clauses) or 'nothing of this node was needed'}"


def _taken(registry: Registry, trained: set[str], combined: list[Entry]) -> tuple[set[str], list[str]]:
    """Which trainings went into averages, and those averages in words: the latest first, a few of them."""
    taken: set[str] = set()
    averages = []
    for entry in combined:
        ours = trained & {one.entry.id for one in registry.versions.contributions(entry.id)} if trained else set()
        taken |= ours
        if ours:
            averages.append(f"{entry.id[:10]} ({entry.version.rule.purpose or 'average'})")
    more = len(averages) - _MOST_AVERAGES
    return taken, [*averages[:_MOST_AVERAGES], *([f"{more} more"] if more > 0 else [])]


def _are(some: set[str]) -> str:
    return "is" if len(some) == 1 else "are"
