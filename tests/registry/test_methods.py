"""Combinations of every method: made, verified, made again, exported; and methods of the future."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent, Rule, Version
from ratatouille.record import sha256
from ratatouille.weights.canonical import Array, encode
from registry.commands.verify import audit
from registry.contributions.ledger import enter_blob, enter_version
from registry.exports.bundles.entering import enter
from registry.exports.bundles.export import export
from registry.presentation.history import facts
from registry.records import Portable, Result
from registry.services.local import LocalRegistry
from tests.registry.exports.bundles.forged import forge
from tests.registry.seasons import direct
from tests.registry.world import NETWORK, PETS, World, featurizer, head

TRIMMED: dict[str, Any] = {"purpose": "trimmed", "method": "trimmed_mean", "parameters": {"share": 0.25}}


def combined(world: World, members: Sequence[Result], counts: Sequence[int] = (), **values: Any) -> Result:
    pairs = zip(members, counts or [1] * len(members), strict=True)
    parents = tuple(Parent(version=str(member.version), coefficient=count) for member, count in pairs)
    return world.registry.work.combine(Combination(parents=parents, **values), "r1", "combined")


def trimmed_digests(seeds: Sequence[int], cut: int) -> tuple[str, str]:
    """Digests of a trimmed mean that nobody but numpy has made: buffers are equal, so trimming leaves them."""

    def mean(parts: Sequence[dict[str, Array]]) -> dict[str, Array]:
        made = dict(parts[0])
        for name, values in parts[0].items():
            if values.dtype == np.float32:
                kept = np.sort([part[name] for part in parts], axis=0)[cut : len(parts) - cut]
                made[name] = kept.astype(np.float64).sum(0).__truediv__(len(kept)).astype(np.float32)
        return made

    return tuple(sha256(encode(mean([make(seed) for seed in seeds]))) for make in (featurizer, head))  # type: ignore[return-value]


def rule_of(world: World, revision: str) -> Rule:
    return world.registry.versions.show(revision).entry.version.rule


def other(world: World, name: str) -> World:
    """Another contributor to the same registry."""
    return World(world.registry, world.folder, Signer.open(world.folder.parent / f"{name}.key"))


def test_a_trimmed_mean_is_made_in_any_order_verified_and_audited(world: World) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4, 5)]
    made = combined(world, members, **TRIMMED)
    assert (made.featurizer, made.head) == trimmed_digests((2, 3, 4, 5), 1)
    turned = combined(world, members[::-1], **TRIMMED)
    assert (turned.featurizer, turned.head) == (made.featurizer, made.head)
    assert turned.version != made.version  # the order of parents is part of a version
    assert rule_of(world, str(made.version)) == Rule(name="combine", revision=1, **TRIMMED)
    assert world.registry.versions.verify(str(made.version)).ok
    whole = audit(world.registry)
    assert whole.ok, whole.findings
    plain = combined(world, members)
    none = combined(world, members, method="trimmed_mean", parameters={"share": 0.0})
    assert (none.featurizer, none.head) == (plain.featurizer, plain.head) != (made.featurizer, made.head)


def test_a_trimmed_mean_that_lost_a_parent_is_made_again_as_a_trimmed_mean(world: World) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4, 5, 6)]
    made = combined(world, members, **TRIMMED)
    dry = world.maintainer.retract(str(members[1].version), "wrong labels", dry_run=True)
    assert [(one.version, one.parents, one.reason) for one in dry.averages] == [(made.version, 4, "")]
    (touched,) = world.maintainer.retract(str(members[1].version), "wrong labels").averages
    version = world.registry.versions.show(str(touched.replacement)).entry.version
    assert version.rule == Rule(name="combine", revision=1, **TRIMMED)
    assert (version.featurizer, version.head) == trimmed_digests((2, 4, 5, 6), 1)
    assert world.registry.versions.verify(str(touched.replacement)).ok


def test_a_trimmed_mean_of_which_nothing_would_remain_falls_and_says_why(world: World) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4)]
    median = combined(world, members, method="trimmed_mean", parameters={"share": 0.5})
    assert (median.featurizer, median.head) == trimmed_digests((2, 3, 4), 1)
    said = "a trimmed mean of 2 that cuts off 0.5 at each end leaves none"
    for dry_run in (True, False):
        (touched,) = world.maintainer.retract(str(members[0].version), "wrong labels", dry_run=dry_run).averages
        assert touched.replacement is None
        assert said in touched.reason
    with pytest.raises(Refusal, match=said):
        combined(world, members[1:], method="trimmed_mean", parameters={"share": 0.5})


def test_contributors_count_once_and_again_once_when_a_run_is_lost(world: World) -> None:
    ben = other(world, "ben")
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4)] + [ben.tuned(start, 5)]
    authors = [world.signer.node] * 3 + [ben.signer.node]
    made = combined(world, members, (1, 1, 1, 3), method="balanced_mean", parameters={"authors": authors})
    plain = combined(world, members, (1, 1, 1, 3))
    assert (made.featurizer, made.head) == (plain.featurizer, plain.head)
    assert world.registry.versions.verify(str(made.version)).ok
    shares = {one.entry.id: one.exact for one in world.registry.versions.contributions(str(made.version))}
    assert list(shares.values()) == ["1/2", "1/6", "1/6", "1/6"]
    done = world.maintainer.retract(str(members[1].version), "wrong labels")
    new = next(str(one.replacement) for one in done.averages if one.version == made.version)
    version = world.registry.versions.show(new).entry.version
    assert [parent.coefficient for parent in version.parents] == [1, 1, 2]
    assert version.rule.parameters == {"authors": [authors[0], *authors[2:]]}
    assert world.registry.versions.verify(new).ok


def test_where_each_contributor_made_one_run_a_balanced_mean_has_the_bits_of_the_mean(world: World) -> None:
    start = world.probed()
    nodes = [world, other(world, "ben"), other(world, "cleo")]
    members = [node.tuned(start, seed) for seed, node in enumerate(nodes, 2)]
    authors = [node.signer.node for node in nodes]
    balanced = combined(world, members, method="balanced_mean", parameters={"authors": authors})
    plain = combined(world, members)
    assert (balanced.featurizer, balanced.head) == (plain.featurizer, plain.head)
    assert balanced.version != plain.version


def test_an_author_who_did_not_make_the_run_is_refused(world: World) -> None:
    members = [world.tuned(world.probed(), seed) for seed in (2, 3)]
    authors = [world.signer.node, "f" * 64]
    with pytest.raises(Refusal, match=rf"was made by key {world.signer.node[:12]}…, not by ffffffffffff…"):
        combined(world, members, method="balanced_mean", parameters={"authors": authors})


def test_a_method_of_newer_software_is_refused_by_name(world: World) -> None:
    members = [world.tuned(world.probed(), seed) for seed in (2, 3)]
    with pytest.raises(Refusal, match="the method 'median' of combining is not known to this release"):
        combined(world, members, method="median")
    assert all(entry.version.rule.name != "combine" for entry in world.registry.versions.log(limit=100))


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_what_is_shown_of_a_version_names_its_method_where_that_is_not_the_mean(world: World) -> None:
    members = [world.tuned(world.probed(), seed) for seed in (2, 3, 4, 5)]
    made = [
        combined(world, members),
        combined(world, members, **TRIMMED),
        combined(world, members, method="balanced_mean", parameters={"authors": [world.signer.node] * 4}),
    ]
    rows = [facts(world.registry.versions.show(str(one.version)), NETWORK) for one in made]
    shown = [next((value for name, value in pairs if name == "method"), None) for pairs in rows]
    assert shown == [None, "trimmed_mean, share 0.25", "balanced_mean, authors 4"]


# -- versions that are there already, or come from elsewhere


@pytest.fixture
def stranger(world: World) -> tuple[World, Result, Version]:
    """A registry that newer software has written an average into, by a method that this release does not know."""
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    parents = tuple(Parent(version=str(one.version)) for one in (bad, good))
    question = Combination(parents=parents, method="median", parameters={"of": [2, {"kind": "lower"}]})
    version = Version(
        featurizer=str(good.featurizer),
        head=str(bad.head),
        architecture=NETWORK.digest,
        task=PETS.digest,
        parents=parents,
        rule=question.rule,
        receipt=None,
    )
    with closing(direct(world)) as local, local.storage.database.write() as connection:
        for part in ("featurizer", "head"):
            digest = getattr(version, part)
            enter_blob(connection, digest, part, local.blobs.store.size(digest) or 0)
        enter_version(connection, version, question.work_id, "by newer software", 1.0)
    return world, bad, version


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_an_average_by_a_method_of_newer_software_is_shown_and_cannot_be_checked(
    stranger: tuple[World, Result, Version],
) -> None:
    world, _, version = stranger
    assert world.registry.versions.show(version.id).entry.version == version
    found = {check.what: check for check in world.registry.versions.verify(version.id).checks}
    assert found["columns"].verdict == "ok"
    assert found["average"].verdict == "not checkable"
    assert found["average"].detail == "this release does not know the method 'median'"
    findings = audit(world.registry).findings
    assert [(one.kind, one.subject) for one in findings] == [("not checkable", version.id)]


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_an_average_by_a_method_of_newer_software_is_never_made_again_as_a_mean(
    stranger: tuple[World, Result, Version],
) -> None:
    world, bad, version = stranger
    (touched,) = world.maintainer.retract(str(bad.version), "wrong labels").averages
    assert (touched.version, touched.replacement) == (version.id, None)
    assert "the method 'median' of combining is not known to this release" in touched.reason


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[LocalRegistry]:
    with closing(LocalRegistry(tmp_path / "elsewhere")) as registry:
        yield registry


def test_methods_travel_and_are_computed_again_where_they_come(
    world: World, elsewhere: LocalRegistry, tmp_path: Path
) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4, 5)]
    authors = [world.signer.node] * 4
    made = [
        combined(world, members, **TRIMMED),
        combined(world, members, method="balanced_mean", parameters={"authors": authors}),
    ]
    export(world.registry, [str(one.version) for one in made], tmp_path / "bundle.tar")
    enter(elsewhere.storage, tmp_path / "bundle.tar")
    for one in made:
        assert (
            elsewhere.versions.show(str(one.version)).entry.version
            == world.registry.versions.show(str(one.version)).entry.version
        )
        assert elsewhere.versions.verify(str(one.version)).ok
        assert elsewhere.work.results([one.work_id])[one.work_id].version == one.version


@pytest.mark.parametrize("world", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "mean", "parameters": {}}, "that was computed again hashes to"),
        ({"parameters": {"share": 0.0}}, "that was computed again hashes to"),
        ({"parameters": {"share": 0.5}}, "leaves none"),
        ({"parameters": {}}, "the method trimmed_mean has other parameters"),
        ({"method": "median"}, "the method 'median' of combining is not known to this release"),
    ],
    ids=["lost", "another share", "a share that leaves none", "lost parameters", "foreign"],
)
def test_an_average_that_comes_with_another_method_than_it_was_made_by_is_refused(
    world: World, elsewhere: LocalRegistry, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4, 5)]
    made = combined(world, members, **TRIMMED)
    ids = [entry.id for entry in reversed(world.registry.versions.log(limit=100))]
    portables = world.registry.versions.portables(ids)
    sealed = world.registry.versions.receipts([str(one.version.receipt) for one in portables if one.version.receipt])
    parts = {part for one in portables for part in (one.version.featurizer, one.version.head) if part}
    files = {digest: world.registry.weights.fetch(digest) for digest in parts}
    honest = portables[-1].version
    assert honest.id == made.version
    lost = honest.model_copy(update={"rule": honest.rule.model_copy(update=changes)})
    forge(tmp_path / "bad.tar", sealed, files, [*portables[:-1], Portable(version=lost)])
    with pytest.raises(Refusal, match=sentence):
        enter(elsewhere.storage, tmp_path / "bad.tar")
    assert elsewhere.versions.log() == []
