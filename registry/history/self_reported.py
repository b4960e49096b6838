"""Scores that are self-reported: all their counts come from the member who made the version.

All keys of a member are one person. A version without a maker, which the registry combined, has no such scores.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, select

from registry.ledger.members.queries import memberships
from registry.lists import chunks
from registry.schema import ContributionRow, EvaluationRow
from registry.scores import COUNTING

Group = tuple[Any, ...]
"""The values of `GROUP` of some counts."""
GROUP = ("featurizer", "head", "task", "trial", "image_size", "split", "slice", "domain")

_FEATURIZERS: BindParameter[Any] = bindparam("featurizers", expanding=True)
_HEADS: BindParameter[Any] = bindparam("heads", expanding=True)
_COUNTED = (
    select(*(getattr(EvaluationRow, name) for name in GROUP), ContributionRow.node)
    .join(ContributionRow, ContributionRow.receipt == EvaluationRow.receipt)
    .where(EvaluationRow.featurizer.in_(_FEATURIZERS), EvaluationRow.head.in_(_HEADS))
    .where(ContributionRow.state.in_(COUNTING))
    .distinct()
)


class SelfReports:
    """Who counted the parts of some versions, and who made these."""

    def __init__(self, connection: Connection, makers: Mapping[tuple[str, str | None], str | None]) -> None:
        """Look up the counts of pairs of parts, each with the key that made the version."""
        pairs = [(featurizer, head) for (featurizer, head), maker in makers.items() if maker and head]
        self._counted: dict[Group, set[str]] = {}
        for some in chunks(pairs):
            parts = dict(zip(("featurizers", "heads"), zip(*some, strict=True), strict=True))
            for row in connection.execute(_COUNTED, parts):
                self._counted.setdefault(tuple(row[:-1]), set()).add(row.node)
        keys = {key for key in makers.values() if key is not None}.union(*self._counted.values())
        self._members = {key: one.member for key, one in memberships(connection, keys).items()}
        self._makers = makers

    def only(self, group: Mapping[str, Any], domains: Collection[str] | None = None) -> bool:
        """Whether all counts of a score come from the maker's member.

        Args:
            group: the values of `GROUP`, without the domain.
            domains: the domains that the score is of; None for all that were counted.
        """
        maker = self._makers.get((group["featurizer"], group["head"]))
        if maker is None:
            return False
        wanted = tuple(group[name] for name in GROUP[:-1])
        of_score = [
            nodes
            for (*same, domain), nodes in self._counted.items()
            if tuple(same) == wanted and (domains is None or domain in domains)
        ]
        counted = set[str]().union(*of_score)
        return bool(counted) and {self._person(node) for node in counted} == {self._person(maker)}

    def _person(self, key: str) -> str:
        return self._members.get(key, key)
