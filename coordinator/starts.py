"""Starts that the registry has already: from revisions in a round.toml to versions that are fit to begin at.

Fit means: it comes from the same weights as the round's foundation, since only then can runs be averaged; and on its
way from there it was trained neither on the target nor, unless the round is lenient, on a domain that the round holds
out. Nobody has to offer the data that such a start was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import FineTune
from ratatouille.exchange.version import Version
from ratatouille.recipes.round import Given, Start
from ratatouille.tasks.task import Task
from registry.port import Registry
from registry.records import Entry

_DEPTH = 10_000
"""Generations that are looked at; the registry bounds the number of ancestors too."""


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
    origin = ancestors(registry, foundation.id)
    called = {*registry.aliases(), *(tag.name for tag in registry.tags())}
    found: dict[str, Given] = {}
    for revision in revisions:
        entry = registry.show(revision).entry
        _refuse_unfit(revision, entry, registry, foundation, origin, target, banned)
        name = revision if revision in called else f"{entry.task_name or 'version'}-{entry.id[:8]}"
        start = Start(version=entry.id, featurizer=entry.version.featurizer)
        found.setdefault(entry.id, Given(name=name, start=start))
    return tuple(sorted(found.values(), key=lambda one: one.name))


def ancestors(registry: Registry, revision: str) -> dict[str, Entry]:
    """A version and everything that it was made from, by id."""
    return {row.entry.id: row.entry for row in registry.lineage(revision, _DEPTH)}


def _refuse_unfit(
    revision: str,
    entry: Entry,
    registry: Registry,
    foundation: Version,
    origin: Mapping[str, Entry],
    target: Task,
    banned: Sequence[str],
) -> None:
    version = entry.version
    if version.architecture != foundation.architecture:
        raise Refusal(f"start '{revision}' has another architecture than the foundation; no average of both exists")
    if version.featurizer == foundation.featurizer:
        raise Refusal(f"start '{revision}' has the foundation's own featurizer; leave it out of `starts`")
    way = ancestors(registry, entry.id)
    common = {one.version.featurizer for one in way.values()} & {one.version.featurizer for one in origin.values()}
    if not common:
        raise Refusal(
            f"start '{revision}' does not come from the foundation's weights, so runs from both have no average; "
            "leave it out of `starts`"
        )
    for id_ in sorted(way.keys() - origin.keys()):
        _refuse_seen(revision, id_, registry, target, banned)


def _refuse_seen(revision: str, id_: str, registry: Registry, target: Task, banned: Sequence[str]) -> None:
    """Trainings tell what they saw; weights that came from elsewhere tell nothing."""
    receipt = registry.show(id_).receipt
    if receipt is None or not isinstance(receipt.assignment, FineTune):
        return
    if receipt.assignment.task == target.digest:
        raise Refusal(
            f"start '{revision}' was trained on the target '{target.name}' (version {id_[:12]}); starts are trained on "
            "auxiliary tasks, so leave it out of `starts`"
        )
    seen = sorted(set(receipt.assignment.domains) & set(banned))
    if seen:
        raise Refusal(
            f"start '{revision}' was trained on {', '.join(seen)}, which this round holds out (version {id_[:12]}); "
            'leave it out of `starts`, or say `auxiliary_domains = "lenient"`'
        )
