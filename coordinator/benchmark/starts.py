"""Starts of a benchmark of one's own that another registry has: looked at there, and entered in the benchmark's own.

They are entered as imports whose parent is the benchmark's foundation, so buffers are compared when they come, and what
they are is looked up where they were made, whose lineage says how.
"""

from __future__ import annotations

from collections.abc import Sequence

from coordinator.foundation import ALIAS
from coordinator.rehearsal import Stage
from coordinator.settings import RoundSettings, banned_domains
from coordinator.starts import ancestors, given_starts
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Version
from ratatouille.recipes.round import Given
from registry.callers.maintain import Maintainer
from registry.opening import open_registry
from registry.services.registry import Registry


def bring(revisions: Sequence[str], source: Registry, settings: RoundSettings, stage: Stage) -> tuple[str, ...]:
    """Enter versions of another registry in the stage's own; returns what rounds call them there.

    Args:
        revisions: as the source knows them.
        source: the registry that has them.
        settings: target and held-out domains, for what a start may have seen.
        stage: where the foundation and the target's definition are.

    Raises:
        Refusal: for a version that is not fit to be a start.
    """
    here = open_registry(stage.url)
    foundation = here.versions.show(ALIAS).entry.version
    target = here.definitions.task(settings.target)
    aliases = []
    for revision in revisions:
        origin = _origin(revision, source, foundation)
        for given in given_starts([revision], source, origin, target, banned_domains(settings)):
            aliases.append(_enter(given, source, here, foundation, Signer.open(stage.folder / "starts" / "key")))
    here.close()
    return tuple(dict.fromkeys(aliases))


def _origin(revision: str, source: Registry, foundation: Version) -> Version:
    """The ancestor of a start that has the foundation's weights."""
    for entry in ancestors(source, revision).values():
        if entry.version.featurizer == foundation.featurizer and entry.id != source.versions.resolve(revision):
            return entry.version
    raise Refusal(
        f"start '{revision}' does not come from the weights that this benchmark starts from; name the start's own "
        "foundation with --foundation, or leave it out of `starts`"
    )


def _enter(given: Given, source: Registry, here: Registry, foundation: Version, signer: Signer) -> str:
    digest = given.start.featurizer
    question = Import(
        architecture=foundation.architecture,
        featurizer=digest,
        source=f"version {given.start.version} of another registry, {given.name} there",
    )
    receipt = Receipt(assignment=question, parents=(foundation.id,), node=signer.node, featurizer=digest)
    result = here.weights.push(signer.seal(receipt), {digest: source.weights.fetch(digest)})
    assert result.version is not None
    alias = f"start-{given.name}"[:80]
    Maintainer(here, signer).release(result.version, alias, question.source)
    return alias
