"""gc over every implementation: what goes and what stays, what readers say then, and how weights come back."""

import time
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.membership import Lease
from ratatouille.record import sha256
from registry.records import Result
from registry.services.local import LocalRegistry
from tests.registry.seasons import direct, enter_round, files, gone, keep_rounds, mean, run
from tests.registry.seasons import seasons as seasons
from tests.registry.world import World, featurizer, head


def store(local: LocalRegistry, digest: str, path: Path) -> None:
    """Put a file where weights are, without a row: somebody died just before it."""
    with local.blobs.inbox.receive(digest) as receiving:
        receiving.fill(lambda output: str(output.write(path.read_bytes())))
        local.blobs.place(receiving, digest)


# -- what goes


def test_nothing_goes_unless_the_maintainers_say_how_many_rounds_are_kept(
    world: World, seasons: dict[str, Result]
) -> None:
    keep_rounds(world, None)
    done = world.registry.maintenance.collect(dry_run=False)
    assert (done.keep_rounds, done.blobs, done.versions, done.stray) == (None, 0, (), 0)
    assert gone(world, seasons) == set()


def test_a_dry_run_says_what_would_go_and_takes_nothing_and_then_exactly_that_goes(
    world: World, seasons: dict[str, Result]
) -> None:
    before = files(world)
    asked = world.registry.maintenance.collect()
    assert files(world) == before
    assert gone(world, seasons) == set()
    done = world.registry.maintenance.collect(dry_run=False)
    assert done == asked.model_copy(update={"dry_run": False})
    assert {one.id for one in done.versions} == {seasons[name].version for name in ("a", "b", "c", "abc")}
    assert (done.versions_in_all, done.blobs, done.keep_rounds) == (4, 8, 1)
    assert done.bytes == sum(before.values()) - sum(files(world).values())
    assert done.kept == {"import": 1, "recent": 1, "start": 1}
    assert (done.stray, done.unprovable) == (0, ())
    assert gone(world, seasons) == {"a", "b", "c", "abc"}
    again = world.registry.maintenance.collect(dry_run=False)
    assert (again.blobs, again.bytes, again.stray, again.versions) == (0, 0, 0, ())


def test_what_was_ever_released_or_is_tagged_stays_with_what_it_was_made_of_and_from(
    world: World, seasons: dict[str, Result]
) -> None:
    world.maintainer.release(str(seasons["abc"].version))
    world.maintainer.release(str(seasons["d"].version))
    assert world.registry.maintenance.collect(dry_run=False).blobs == 0
    assert world.registry.versions.verify(str(seasons["abc"].version)).ok


def test_a_tag_keeps_a_run_and_its_start_and_nothing_else(world: World, seasons: dict[str, Result]) -> None:
    world.maintainer.tag(str(seasons["b"].version), "spring-best")
    done = world.registry.maintenance.collect(dry_run=False)
    assert gone(world, seasons) == {"a", "c", "abc"}
    assert done.kept == {"import": 1, "released": 1, "recent": 1, "start": 1}


def test_a_running_round_keeps_its_own_and_what_it_said_that_it_builds_on(
    world: World, seasons: dict[str, Result]
) -> None:
    enter_round(world, "winter", "running")
    e = run(world, seasons["start"], 9, "winter")
    world.registry.rounds.use("winter", [str(seasons["a"].version), str(e.version)])
    world.registry.rounds.use("winter", [str(seasons["a"].version)])
    assert [event.subject for event in world.registry.rounds.events(round="winter") if event.kind == "used"] == [
        seasons["a"].version
    ]
    with pytest.raises(Refusal, match="no version"):
        world.registry.rounds.use("winter", ["0" * 64])
    world.registry.maintenance.collect(dry_run=False)
    assert gone(world, seasons | {"e": e}) == {"b", "c", "abc"}


def test_inputs_of_work_that_somebody_is_at_or_was_at_lately_stay(world: World, seasons: dict[str, Result]) -> None:
    for work, seconds, name in (("one", 60.0, "a"), ("two", 0.0, "b")):
        parts = (str(seasons[name].featurizer), str(seasons[name].head))
        receipt, _ = world.fine_tune(seasons["start"], 9, body=featurizer(77))
        lease = Lease.on(receipt.assignment, world.signer.node, seconds, parts)
        lease = lease.model_copy(update={"work_id": sha256(work.encode())})
        assert world.registry.work.lease(world.signer.seal(lease)) is not None
    world.registry.maintenance.collect(dry_run=False)
    assert gone(world, seasons) == {"c", "abc"}


def test_weights_that_a_kept_version_shares_stay(world: World, seasons: dict[str, Result]) -> None:
    alone = mean(world, seasons["a"], round="autumn", purpose="alone")  # an average of one is that one
    done = world.registry.maintenance.collect(dry_run=False)
    assert alone.featurizer == seasons["a"].featurizer
    assert gone(world, seasons | {"alone": alone}) == {"b", "c", "abc"}
    assert done.kept["parent"] == 1


def test_files_that_no_version_has_go_and_those_that_somebody_brings_stay(world: World) -> None:
    local = direct(world)
    for seed in (50, 51):
        digest, path = world.file(head(seed))
        store(local, digest, path)
    claimed, _ = world.file(head(50))
    stray, path = world.file(head(51))
    start = world.probed()
    receipt, _ = world.fine_tune(start, 50)
    world.lease(receipt)
    with local.publisher.begin(world.seal(receipt)):  # type: ignore[union-attr]
        asked = world.registry.maintenance.collect()
        done = world.registry.maintenance.collect(dry_run=False)
        assert files(world).keys() >= {claimed}
    local.close()
    assert stray not in files(world)
    assert (asked.stray, done.stray) == (1, 1)
    assert done.stray_bytes == path.stat().st_size


# -- what is said then


def test_readers_say_that_gc_removed_it_and_the_history_stays(world: World, seasons: dict[str, Result]) -> None:
    world.work(world.evaluation(seasons["a"]), {})
    before = [world.registry.versions.show(str(seasons[name].version)) for name in ("a", "abc")]
    world.registry.maintenance.collect(dry_run=False)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    words = f"removed by gc on {today} under the retention policy"
    with pytest.raises(Refusal, match=words):
        world.registry.weights.fetch(str(seasons["a"].featurizer))
    with pytest.raises(Refusal, match=f"weights of version {str(seasons['a'].version)[:12]}… were {words}"):
        mean(world, seasons["a"], seasons["d"], purpose="new")
    after = [world.registry.versions.show(str(seasons[name].version)) for name in ("a", "abc")]
    assert all(one.collected is not None for one in after)
    assert [one.model_copy(update={"collected": None}) for one in after] == before
    assert len(world.registry.versions.lineage(str(seasons["abc"].version))) == 8
    report = world.registry.versions.verify(str(seasons["abc"].version))
    assert report.verdict == "not checkable"
    unseen = {check.what for check in report.checks if check.verdict == "not checkable"}
    assert unseen == {"featurizer", "head", "average"}
    assert all(words in check.detail for check in report.checks if check.verdict == "not checkable")


def test_an_average_that_stays_without_its_members_is_named(world: World, seasons: dict[str, Result]) -> None:
    start = seasons["start"]
    shared = mean(world, seasons["a"], seasons["b"], round="autumn")
    world.registry.maintenance.collect(dry_run=False)
    assert gone(world, seasons) == {"c", "abc"}
    child = run(world, shared, 11, "autumn")
    enter_round(world, "winter")
    other = run(world, start, 12, "winter")
    world.maintainer.tag(str(child.version), "child")
    world.maintainer.release(str(other.version))
    asked = world.registry.maintenance.collect()
    assert asked.unprovable == (shared.version,)
    assert asked.names == ()
    world.registry.maintenance.collect(dry_run=False)
    world.maintainer.release(str(shared.version), "old")
    assert world.registry.maintenance.collect().unprovable == (shared.version,)
    assert [(one.name, one.version) for one in world.registry.maintenance.collect().names] == [("old", shared.version)]
    done = world.maintainer.retract(str(seasons["a"].version), "wrong labels")
    (touched,) = [one for one in done.averages if one.version == shared.version]
    assert touched.replacement is None
    assert f"weights of version {str(seasons['b'].version)[:12]}… were removed by gc" in touched.reason
    assert [one.name for one in done.left_behind] == ["old"]


def test_a_late_push_whose_start_is_gone_is_refused_and_not_rejected(world: World, seasons: dict[str, Result]) -> None:
    receipt, weights = world.fine_tune(seasons["a"], 20)
    world.lease(receipt)
    world.registry.maintenance.collect(dry_run=False)
    with pytest.raises(Refusal, match="the weights that this work started from were removed by gc"):
        world.registry.weights.push(world.seal(receipt), weights)
    assert not any(event.kind == "rejected" for event in world.registry.rounds.events())


# -- how weights come back


def test_weights_come_back_when_they_are_pushed_again(world: World, seasons: dict[str, Result]) -> None:
    receipt, weights = world.fine_tune(seasons["start"], 3, round="spring")
    assert receipt.featurizer == seasons["a"].featurizer
    world.registry.maintenance.collect(dry_run=False)
    again = world.registry.weights.push(world.seal(receipt), weights)
    assert again == seasons["a"]
    assert gone(world, seasons) == {"b", "c", "abc"}
    assert (
        world.registry.weights.fetch(str(again.featurizer)).read_bytes() == weights[str(again.featurizer)].read_bytes()
    )
    assert world.registry.weights.push(world.seal(receipt), {}) == again


def test_weights_come_back_with_another_version_that_has_them(world: World, seasons: dict[str, Result]) -> None:
    world.registry.maintenance.collect(dry_run=False)
    receipt, weights = world.fine_tune(seasons["start"], 30, body=featurizer(3), top=head(3), round="autumn")
    assert receipt.featurizer == seasons["a"].featurizer
    world.work(receipt, weights)
    assert gone(world, seasons) == {"b", "c", "abc"}
    assert world.registry.versions.verify(str(seasons["a"].version)).ok


def test_an_average_comes_back_when_it_is_asked_for_again_and_its_members_are_here(
    world: World, seasons: dict[str, Result]
) -> None:
    world.registry.rounds.use("autumn", [str(seasons[name].version) for name in "abc"])
    world.registry.maintenance.collect(dry_run=False)
    assert gone(world, seasons) == {"abc"}
    again = mean(world, *(seasons[name] for name in "abc"))
    assert again == seasons["abc"]
    assert gone(world, seasons) == set()
    assert world.registry.versions.verify(str(again.version)).ok


def test_a_known_average_without_weights_is_answered_when_its_members_are_gone_too(
    world: World, seasons: dict[str, Result]
) -> None:
    world.registry.maintenance.collect(dry_run=False)
    again = mean(world, *(seasons[name] for name in "abc"))
    assert (again.version, again.collected is not None) == (seasons["abc"].version, True)


# -- room


def test_usage_counts_what_is_here_what_went_and_what_comes(world: World, seasons: dict[str, Result]) -> None:
    stored = files(world)
    before = world.registry.maintenance.usage()
    assert (before.blobs, before.bytes, before.collected) == (len(stored), sum(stored.values()), 0)
    assert (before.versions, before.retention_rounds, before.incoming_bytes) == (7, 1, 0)
    assert before.room <= before.free_bytes - before.reserve_bytes
    done = world.registry.maintenance.collect(dry_run=False)
    after = world.registry.maintenance.usage()
    assert (after.blobs, after.collected, after.versions) == (before.blobs - 8, 8, 7)
    assert (after.bytes, after.collected_bytes) == (before.bytes - done.bytes, done.bytes)
    receipt, weights = world.fine_tune(seasons["start"], 40)
    world.lease(receipt)
    local = direct(world)
    with local.publisher.begin(world.seal(receipt)) as push:  # type: ignore[union-attr]
        push.write(str(receipt.head), weights[str(receipt.head)].read_bytes()[:8])
        coming = world.registry.maintenance.usage()
    local.close()
    total = sum(Path(path).stat().st_size for path in weights.values())
    assert (coming.incoming_bytes, coming.promised_bytes) == (8, total - 8)


def test_a_policy_of_no_rounds_is_refused(world: World) -> None:
    with pytest.raises(Refusal):
        keep_rounds(world, 0)
    keep_rounds(world, 3)
    assert world.registry.maintenance.usage().retention_rounds == 3
    keep_rounds(world, None)
    assert world.registry.maintenance.usage().retention_rounds is None
