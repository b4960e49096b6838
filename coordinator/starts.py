"""Starts that the registry has already: from revisions in a round.toml to versions that are fit to begin at.

Fit means: it comes from the same weights as the round's foundation, since only then can runs be averaged; and on its
way from there it was trained neither on the target nor, unless the round is lenient, on a domain that the round holds
out. Nobody has to offer the data that such a start was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import FineTune
from ratatouille.exchange.version import Version
from ratatouille.recipes.round import Given, Start
from ratatouille.tasks.task import Task
from registry.records import Entry
from registry.services.registry import Registry

_DEPTH = 10_000
"""Generations that one answer may have; the registry bounds its rows too."""


def given_starts(
    revisions: Sequence[str], registry: Registry, foundation: Version, target: Task, banned: Sequence[str]
) -> tuple[Given, ...]:
    """The versions that `starts` names, each once, in ascending order of names.

    Args:
        revisions: what the file says.
        registry: where they are looked up.
        foundation: where the round's other runs start.
        target: the round's target.
        banned: domains that no start may have been trained on.

    Raises:
        Refusal: a revision that is unknown, or a version that is not fit to be a start.
    """
    if not revisions:
        return ()
    gate = _Gate(registry, foundation, ancestors(registry, foundation.id), target, frozenset(banned))
    found: dict[str, Given] = {}
    for revision in revisions:
        entry = registry.versions.show(revision).entry
        gate.refuse_unfit(revision, entry)
        name = revision if _is_called(revision, entry) else f"{entry.task_name or 'version'}-{entry.id[:8]}"
        start = Start(version=entry.id, featurizer=entry.version.featurizer)
        found.setdefault(entry.id, Given(name=name, start=start))
    return tuple(sorted(found.values(), key=lambda one: one.name))


def ancestors(registry: Registry, revision: str) -> dict[str, Entry]:
    """A version and everything that it was made from, by id; a long history comes in several answers."""
    found: dict[str, Entry] = {}
    missing = {revision}
    while missing:
        found |= {row.entry.id: row.entry for row in registry.versions.lineage(missing.pop(), _DEPTH)}
        if not missing:
            missing = {one.version for entry in found.values() for one in entry.version.parents} - found.keys()
    return found


def _is_called(revision: str, entry: Entry) -> bool:
    """Whether a revision is an alias or a tag: no part of the version's id, and no way to it such as `latest~1`."""
    return not entry.id.startswith(revision) and not set(revision) & set("~@")


@dataclass(frozen=True)
class _Gate:
    """What a round asks of a start."""

    registry: Registry
    foundation: Version
    origin: Mapping[str, Entry]
    """The foundation and everything that it was made from."""
    target: Task
    banned: frozenset[str]

    def refuse_unfit(self, revision: str, entry: Entry) -> None:
        """Say why a version is no start, if it is none."""
        version = entry.version
        if entry.state != "admitted":
            raise Refusal(f"start '{revision}' is {entry.state}; leave it out of `starts`")
        if version.architecture != self.foundation.architecture:
            raise Refusal(f"start '{revision}' has another architecture than the foundation; no average of both exists")
        if version.featurizer == self.foundation.featurizer:
            raise Refusal(f"start '{revision}' has the foundation's own featurizer; leave it out of `starts`")
        way = ancestors(self.registry, entry.id)
        featurizers = {one.version.featurizer for one in self.origin.values()}
        if not any(one.version.featurizer in featurizers for one in way.values()):
            raise Refusal(
                f"start '{revision}' does not come from the foundation's weights, so runs from both have no average; "
                "leave it out of `starts`"
            )
        for id_ in sorted(way.keys() - self.origin.keys()):
            self._refuse_seen(revision, id_)

    def _refuse_seen(self, revision: str, id_: str) -> None:
        """Trainings tell what they saw; weights that came from elsewhere tell nothing."""
        receipt = self.registry.versions.show(id_).receipt
        if receipt is None or not isinstance(receipt.assignment, FineTune):
            return
        if receipt.assignment.task == self.target.digest:
            raise Refusal(
                f"start '{revision}' was trained on the target '{self.target.name}' (version {id_[:12]}); starts are "
                "trained on auxiliary tasks, so leave it out of `starts`"
            )
        seen = sorted(self.banned.intersection(receipt.assignment.domains))
        if seen:
            raise Refusal(
                f"start '{revision}' was trained on {', '.join(seen)}, which this round holds out (version "
                f'{id_[:12]}); leave it out of `starts`, or say `auxiliary_domains = "lenient"`'
            )
