"""What is exported is imported elsewhere as it was, through the gates that a push passes."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from ratatouille.tasks.task import Task
from registry.commands.verify import audit
from registry.exports.bundles.entering import enter
from registry.exports.bundles.export import export
from registry.records import Result
from registry.services.local import LocalRegistry
from tests.registry.exports.bundles.conftest import Elsewhere
from tests.registry.world import NETWORK, PETS, World, featurizer


def same(world: World, there: LocalRegistry, *results: Result) -> None:
    """Assert that versions say the same in both registries, weights included."""
    for result in results:
        id = str(result.version)
        one, other = world.registry.versions.show(id), there.versions.show(id)
        for name in ("version", "state", "message", "round", "work_id", "task_name", "node"):
            assert getattr(other.entry, name) == getattr(one.entry, name), name
        assert (other.receipt, other.evaluations) == (one.receipt, one.evaluations)
        assert there.versions.lineage(id) != []
        for digest in (result.featurizer, result.head):
            assert (
                there.weights.fetch(str(digest)).read_bytes() == world.registry.weights.fetch(str(digest)).read_bytes()
            )


def test_a_version_comes_with_its_ancestors_receipts_evaluations_tags_and_weights(
    world: World, made: dict[str, Result], bundle: Path, elsewhere: Elsewhere
) -> None:
    there = elsewhere("there")
    plan = enter(there.storage, bundle)
    assert (plan.versions, plan.known, plan.evaluations, plan.tags, plan.unproved) == (5, 0, 1, 1, [])
    same(world, there, *(made[name] for name in ("start", "first", "second", "average")))
    assert [tag.name for tag in there.releases.tags()] == ["spring"]
    assert there.releases.tags() == world.registry.releases.tags()
    assert len(there.versions.log()) == 5
    assert there.definitions.tasks() == [PETS]
    assert audit(there).findings == []


def test_importing_again_changes_nothing(bundle: Path, elsewhere: Elsewhere) -> None:
    there = elsewhere("there")
    enter(there.storage, bundle)
    before = (there.versions.log(), there.rounds.events(), there.releases.tags())
    plan = enter(there.storage, bundle)
    assert (plan.versions, plan.known, plan.evaluations, plan.tags) == (0, 5, 0, 0)
    assert (there.versions.log(), there.rounds.events(), there.releases.tags()) == before


def test_what_was_imported_is_worked_with_like_any_version(
    world: World, made: dict[str, Result], bundle: Path, elsewhere: Elsewhere
) -> None:
    there = elsewhere("there")
    enter(there.storage, bundle)
    other = World(there, world.folder, world.signer)
    average = there.work.results([made["average"].work_id])[made["average"].work_id]
    assert average.version == made["average"].version
    tuned = other.tuned(average, 9)
    other.maintainer.release(str(tuned.version), "stable")
    again = there.work.combine(
        Combination(parents=tuple(Parent(version=str(one)) for one in (tuned.version, average.version)))
    )
    assert again.version is not None
    assert audit(there).findings == []


def test_a_bundle_grows_by_what_is_new(
    world: World, made: dict[str, Result], bundle: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    there = elsewhere("there")
    enter(there.storage, bundle)
    whole = export(world.registry, [str(made["later"].version)], tmp_path / "later.tar")
    thin = export(world.registry, [str(made["later"].version)], tmp_path / "thin.tar", depth=0)
    assert (whole.versions.lines, whole.needs, whole.weights) == (6, (), 10)
    assert (thin.versions.lines, thin.needs, thin.weights) == (1, (made["average"].version,), 2)
    assert enter(there.storage, tmp_path / "thin.tar").versions == 1
    assert enter(there.storage, tmp_path / "later.tar").versions == 0
    with pytest.raises(Refusal, match=f"builds on version {str(made['average'].version)[:12]}…, which is not here"):
        enter(elsewhere("other").storage, tmp_path / "thin.tar")
    same(world, there, made["later"])
    assert audit(there).findings == []


def test_the_same_versions_make_the_same_file_which_any_tar_program_opens(
    world: World, made: dict[str, Result], bundle: Path, tmp_path: Path
) -> None:
    again = export(world.registry, [str(made["average"].version)], tmp_path / "again.tar", tags=True)
    assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()
    with tarfile.open(bundle) as archive:
        names = archive.getnames()
        assert names[:5] == ["bundle.json", *(f"{x}.jsonl" for x in ("architectures", "tasks", "receipts", "versions"))]
        head = archive.extractfile("bundle.json")
        assert head is not None
        assert head.read() == again.to_json()
    assert len(names) == 5 + again.weights == 13


def test_a_file_that_exists_and_an_unknown_version_are_refused_and_leave_nothing(
    world: World, bundle: Path, tmp_path: Path
) -> None:
    before = bundle.read_bytes()
    with pytest.raises(Refusal, match="exists; name another file"):
        export(world.registry, ["spring"], bundle)
    with pytest.raises(Refusal, match="nobody"):
        export(world.registry, ["nobody"], tmp_path / "other" / "none.tar")
    assert bundle.read_bytes() == before
    assert [path.name for path in tmp_path.glob("*.tar*")] == ["average.tar"]


def test_tags_stay_at_home_unless_they_are_asked_for(
    world: World, made: dict[str, Result], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    export(world.registry, ["spring"], tmp_path / "plain.tar")
    there = elsewhere("there")
    assert enter(there.storage, tmp_path / "plain.tar").tags == 0
    assert there.releases.tags() == []


# -- what was there before


def test_another_definition_of_a_task_is_refused_by_name_and_nothing_is_entered(
    bundle: Path, elsewhere: Elsewhere
) -> None:
    there = elsewhere("there")
    there.definitions.define_task(Task(name="pets", kind="target", classes=("dog", "cat"), domains=("photo",)))
    before = there.rounds.events()
    with pytest.raises(Refusal, match="task pets is defined otherwise here"):
        enter(there.storage, bundle)
    assert (there.versions.log(), there.rounds.events()) == ([], before)
    assert [path for path in (there.folder / "blobs").rglob("*") if path.is_file()] == []


def test_a_tag_that_means_another_version_here_is_refused_by_name(
    world: World, bundle: Path, elsewhere: Elsewhere, stranger: Signer
) -> None:
    there = elsewhere("there")
    other = World(there, world.folder, stranger)
    other.define()
    other.maintainer.tag(str(other.foundation(seed=77).version), "spring")
    with pytest.raises(Refusal, match="tag spring means"):
        enter(there.storage, bundle)
    assert len(there.versions.log()) == 1


def test_an_answer_that_was_found_here_before_stays_and_the_other_version_comes_beside_it(
    world: World, made: dict[str, Result], bundle: Path, elsewhere: Elsewhere, stranger: Signer
) -> None:
    """Two registries that entered the same foundation each for itself can still exchange what they made of it."""
    there = elsewhere("there")
    other = World(there, world.folder, stranger)
    other.define()
    own = other.foundation()
    assert own.work_id in [entry.work_id for entry in world.registry.versions.log()]
    enter(there.storage, bundle)
    assert there.work.results([own.work_id])[own.work_id] == own
    same(world, there, made["start"], made["average"])
    assert len(there.versions.log()) == 6
    assert audit(there).findings == []
    world.registry.weights.fetch(str(own.featurizer))
    enter(there.storage, bundle)
    assert len(there.versions.log()) == 6


def test_a_twin_of_an_answer_here_keeps_its_own_evaluations(
    world: World, made: dict[str, Result], bundle: Path, elsewhere: Elsewhere, stranger: Signer
) -> None:
    there = elsewhere("there")
    other = World(there, world.folder, stranger)
    other.define()
    start = other.probed()
    receipt, files = other.fine_tune(start, 2, body=featurizer(50), top=None)
    rival = other.work(receipt, files)
    assert rival.work_id == made["first"].work_id
    enter(there.storage, bundle)
    theirs = there.versions.show(str(made["first"].version)).evaluations
    assert [one.evaluation.confusion for one in theirs] == [((5, 1), (2, 4))]
    assert there.work.results([rival.work_id])[rival.work_id].version == rival.version
    assert audit(there).findings == []


# -- weights that were collected


def collect(registry: LocalRegistry, digest: str) -> None:
    """What gc does to weights."""
    from sqlalchemy import text

    registry.blobs.remove(digest)
    with registry.storage.database.write() as connection:
        connection.execute(text("UPDATE blobs SET collected = 1.0 WHERE digest = :digest"), {"digest": digest})


def test_an_average_of_collected_weights_is_taken_only_by_who_says_so(
    world: World, made: dict[str, Result], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    local = LocalRegistry(world.folder.parent / "registry")
    collect(local, str(made["first"].head))
    local.close()
    export(world.registry, ["spring"], tmp_path / "bundle.tar")
    there = elsewhere("there")
    with pytest.raises(Refusal, match=r"average .* cannot be computed again: weights were collected; --unproved"):
        enter(there.storage, tmp_path / "bundle.tar")
    assert there.versions.log() == []
    plan = enter(there.storage, tmp_path / "bundle.tar", unproved=True)
    assert (plan.versions, len(plan.unproved)) == (5, 1)
    whole = audit(there)
    assert whole.verdict == "not checkable"
    assert {one.stage for one in whole.of("not checkable")} == {"weights", "averages"}


def test_weights_that_were_collected_here_come_back(
    world: World, made: dict[str, Result], bundle: Path, elsewhere: Elsewhere
) -> None:
    there = elsewhere("there")
    enter(there.storage, bundle)
    collect(there, str(made["second"].featurizer))
    assert enter(there.storage, bundle).versions == 0
    same(world, there, made["second"])
    assert audit(there).findings == []


# -- the gates


def test_weights_from_elsewhere_pass_the_gate_for_weights(
    world: World, elsewhere: Elsewhere, tmp_path: Path, stranger: Signer
) -> None:
    """A foundation whose bundle was made by other software with weights that no push would pass."""
    import numpy as np

    from tests.registry.exports.bundles.forged import forge

    bad = featurizer(1)
    bad["conv.weight"][0] = np.nan
    digest, path = world.file(bad)
    work = Import(architecture=NETWORK.digest, featurizer=digest, source="elsewhere")
    receipt = Receipt(assignment=work, node=stranger.node, featurizer=digest)
    forge(tmp_path / "forged.tar", [stranger.seal(receipt)], {digest: path})
    there = elsewhere("there")
    with pytest.raises(Refusal, match=r"tensor conv\.weight holds NaN or infinite values"):
        enter(there.storage, tmp_path / "forged.tar")
    assert there.versions.log() == []
    assert [path for path in (there.folder / "blobs").rglob("*") if path.is_file()] == []


def test_reviews_come_along_and_a_decision_that_was_made_here_stands(
    world: World, made: dict[str, Result], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    first, second = str(made["first"].version), str(made["second"].version)
    world.maintainer.review(first, "quarantined", "it is far from the others")
    world.maintainer.review(first, "rejected", "it was copied")
    export(world.registry, [first, second], tmp_path / "two.tar")
    there = elsewhere("there")
    enter(there.storage, tmp_path / "two.tar")
    assert [one.state for one in there.review.find_review(first).history] == ["rejected", "quarantined"]
    assert there.review.find_review(first).node == world.signer.node
    World(there, world.folder, world.signer).maintainer.review(second, "admitted", "its data are rare")
    world.maintainer.review(second, "rejected", "it was copied too")
    export(world.registry, [first, second], tmp_path / "again.tar")
    enter(there.storage, tmp_path / "again.tar")
    assert there.review.find_review(second).reason == "its data are rare"
    assert audit(there).findings == []
