"""Taking versions back: what becomes of averages, aliases, tags, counts and questions; over every implementation."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Retract, Tag
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import NONE_LEFT, Combination, Parent
from ratatouille.record import sha256
from ratatouille.weights.canonical import encode
from ratatouille.weights.combine import combine
from ratatouille.weights.methods import MIX
from registry.maintainer import Maintainer
from registry.records import Naming, Result, Retraction
from tests.registry.world import NETWORK, World, featurizer, head

BUFFERS = frozenset(tensor.name for tensor in NETWORK.featurizer if tensor.buffer)


def mean_of(world: World, *members: Result, purpose: str = "uniform", counts: tuple[int | float, ...] = ()) -> Result:
    parents = tuple(
        Parent(version=str(member.version), coefficient=count)
        for member, count in zip(members, counts or (1,) * len(members), strict=True)
    )
    return world.registry.work.combine(Combination(parents=parents, purpose=purpose), "r1", "soup")


def states(world: World) -> dict[str, str]:
    return {entry.id: entry.state for entry in world.registry.versions.log(limit=100)}


def digests_of_mean(*seeds: int, counts: tuple[int, ...] = ()) -> tuple[str, str]:
    """Digests of an average that nobody but numpy has made."""
    coefficients = counts or (1,) * len(seeds)
    body = combine([featurizer(seed) for seed in seeds], coefficients, BUFFERS)
    top = combine([head(seed) for seed in seeds], coefficients, frozenset())
    return sha256(encode(body)), sha256(encode(top))


# -- the version itself


def test_a_retracted_version_stays_in_the_history_and_its_question_is_open_again(world: World) -> None:
    start = world.probed()
    bad = world.tuned(start, 2)
    done = world.maintainer.retract(str(bad.version)[:12], "wrong labels")
    assert (done.version, done.message, done.author, done.node) == (
        bad.version,
        "wrong labels",
        "anna",
        world.signer.node,
    )
    assert (done.averages, done.aliases, done.tags, done.influenced) == ((), (), (), ())
    entry = world.registry.versions.show(str(bad.version)).entry
    assert (entry.state, entry.version.featurizer) == ("retracted", bad.featurizer)
    assert world.registry.work.results([bad.work_id]) == {}
    better, files = world.fine_tune(start, 2, body=featurizer(22))
    again = world.work(better, files)
    assert world.registry.work.results([bad.work_id]) == {bad.work_id: again}
    assert again.version != bad.version
    assert states(world)[str(bad.version)] == "retracted"


def test_nothing_new_is_made_from_a_retracted_version(world: World) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    receipt, files = world.fine_tune(bad, 4)
    world.lease(receipt)
    world.maintainer.retract(str(bad.version), "wrong labels")
    with pytest.raises(Refusal, match="no version of this registry"):
        world.registry.weights.push(world.seal(receipt), files)
    with pytest.raises(Refusal, match="no version of this registry"):
        mean_of(world, bad, good)
    with pytest.raises(Refusal, match="is retracted; release another one"):
        world.maintainer.release(str(bad.version))


def test_its_own_counts_do_not_count_any_more_and_those_of_others_do(world: World) -> None:
    bad = world.tuned(world.probed(), 2)
    world.work(world.evaluation(bad), {})
    before = world.registry.versions.show(str(bad.version)).evaluations
    assert [one.evaluation.cell.domain for one in before] == ["photo", "sketch"]
    world.maintainer.retract(str(bad.version), "wrong labels")
    after = world.registry.versions.show(str(bad.version)).evaluations
    assert [one.evaluation.cell.domain for one in after] == ["sketch"]


def test_the_same_change_and_another_one_are_answered_as_the_first(world: World) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    mean_of(world, bad, good)
    change = Retract(version=str(bad.version), message="wrong labels", author="anna", at=1.0)
    sealed = world.signer.seal(change)
    first = world.registry.releases.retract(sealed)
    events = world.registry.rounds.events()
    assert world.registry.releases.retract(sealed) == first
    assert world.maintainer.retract(str(bad.version), "I say so too") == first
    assert world.registry.rounds.events() == events
    assert world.registry.releases.retractions() == [first]
    assert world.registry.info().retractions == 1


def test_an_average_that_fell_with_a_member_answers_with_what_took_it_along(world: World) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    mean = mean_of(world, bad, good)
    first = world.maintainer.retract(str(bad.version), "wrong labels")
    assert world.maintainer.retract(str(mean.version), "this too") == first


def test_a_dry_run_says_the_same_and_changes_nothing(world: World) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    inner = mean_of(world, bad, good)
    outer = mean_of(world, inner, good, purpose="outer")
    mix = mean_of(world, bad, good, purpose="wise_ft", counts=(0.5, 0.5))
    after = world.tuned(inner, 5)
    world.maintainer.release(str(outer.version), "stable")
    world.maintainer.release(str(mix.version), "mixed")
    before = (world.registry.versions.log(limit=100), world.registry.rounds.events(), world.registry.releases.aliases())
    asked = world.maintainer.retract(str(bad.version), "wrong labels", dry_run=True)
    assert (
        world.registry.versions.log(limit=100),
        world.registry.rounds.events(),
        world.registry.releases.aliases(),
    ) == before
    assert world.registry.releases.retractions() == []
    assert asked.number is None
    assert all(one.replacement is None for one in asked.averages)
    done = world.maintainer.retract(str(bad.version), "wrong labels")
    assert imagined(done) == imagined(asked)
    assert {one.version for one in done.averages} == {inner.version, outer.version, mix.version}
    assert done.influenced == (after.version,)


def imagined(retraction: Retraction) -> dict[str, object]:
    """Without what only the deed can say."""
    plain = retraction.model_dump(exclude={"number", "at"})
    for one in (*plain["averages"], *plain["aliases"]):
        one["replacement"] = None
    return plain


# -- averages


def test_an_average_is_made_again_from_the_others_with_the_bits_of_a_fresh_one(world: World) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4)]
    mean = mean_of(world, *members)
    done = world.maintainer.retract(str(members[1].version), "wrong labels")
    (touched,) = done.averages
    assert (touched.version, touched.parents, touched.reason) == (mean.version, 2, "")
    details = world.registry.versions.show(str(touched.replacement))
    version = details.entry.version
    assert (version.featurizer, version.head) == digests_of_mean(2, 4)
    assert [parent.version for parent in version.parents] == [members[0].version, members[2].version]
    assert (version.rule.purpose, details.entry.round, details.entry.state) == ("uniform", "r1", "admitted")
    assert details.entry.message == f"uniform of 2, made again without {str(members[1].version)[:12]}…"
    assert states(world)[str(mean.version)] == "retracted"
    assert world.registry.versions.verify(str(touched.replacement)).ok
    assert world.registry.versions.verify(str(mean.version)).ok


def test_averages_of_averages_are_made_again_with_their_counts(world: World) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4)]
    inner = mean_of(world, *members[:2])
    outer = mean_of(world, inner, members[2], purpose="outer", counts=(2, 1))
    top = mean_of(world, outer, inner, purpose="top")
    done = world.maintainer.retract(str(members[0].version), "wrong labels")
    new = {one.version: str(one.replacement) for one in done.averages}
    assert list(new) == [inner.version, outer.version, top.version]
    shown = {old: world.registry.versions.show(id).entry.version for old, id in new.items()}
    assert (shown[str(inner.version)].featurizer, shown[str(inner.version)].head) == (
        members[1].featurizer,
        members[1].head,
    )
    remade = shown[str(outer.version)]
    assert [(parent.version, parent.coefficient) for parent in remade.parents] == [
        (new[str(inner.version)], 2),
        (members[2].version, 1),
    ]
    assert (remade.featurizer, remade.head) == digests_of_mean(3, 4, counts=(2, 1))
    assert {parent.version for parent in shown[str(top.version)].parents} == {
        new[str(outer.version)],
        new[str(inner.version)],
    }
    assert all(world.registry.versions.verify(id).ok for id in new.values())


def test_a_member_that_is_in_twice_leaves_twice(world: World) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    mean_of(world, bad, good, bad, counts=(1, 1, 3))
    (touched,) = world.maintainer.retract(str(bad.version), "wrong labels").averages
    assert touched.parents == 1
    assert world.registry.versions.show(str(touched.replacement)).entry.version.featurizer == good.featurizer


def test_featurizers_alone_are_made_again_as_featurizers_alone(world: World) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    parents = tuple(Parent(version=str(one.version)) for one in (bad, good))
    world.registry.work.combine(Combination(parents=parents, parts="featurizer", purpose="start"))
    (touched,) = world.maintainer.retract(str(bad.version), "wrong labels").averages
    version = world.registry.versions.show(str(touched.replacement)).entry.version
    assert (version.featurizer, version.head, version.task) == (good.featurizer, None, None)


def test_a_mix_is_retracted_without_replacement_and_what_is_made_of_it_goes_on_without(world: World) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    mix = mean_of(world, bad, good, purpose="wise_ft", counts=(0.25, 0.75))
    above = mean_of(world, mix, good)
    done = world.maintainer.retract(str(bad.version), "wrong labels")
    assert [(one.version, one.reason) for one in done.averages] == [(mix.version, MIX), (above.version, "")]
    replacement = world.registry.versions.show(str(done.averages[1].replacement)).entry.version
    assert [parent.version for parent in replacement.parents] == [good.version]
    assert states(world)[str(mix.version)] == "retracted"


def test_an_average_without_members_falls_and_its_alias_is_named(world: World) -> None:
    bad = world.tuned(world.probed(), 2)
    mean = mean_of(world, bad)
    world.maintainer.release(str(mean.version), "stable")
    done = world.maintainer.retract(str(bad.version), "wrong labels")
    assert [(one.version, one.replacement, one.reason) for one in done.averages] == [(mean.version, None, NONE_LEFT)]
    assert done.left_behind == done.aliases == (Naming(name="stable", version=str(mean.version)),)
    assert world.registry.releases.aliases() == {"stable": mean.version}


def test_an_average_is_retracted_by_itself_and_comes_back_when_it_is_asked_for_again(world: World) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3)]
    mean = mean_of(world, *members)
    done = world.maintainer.retract(str(mean.version), "not this one")
    assert done.averages == ()
    assert world.registry.work.results([mean.work_id]) == {}
    again = mean_of(world, *members)
    assert again.version == mean.version
    assert states(world)[str(mean.version)] == "admitted"


def test_what_was_retracted_itself_does_not_come_back_as_a_replacement(world: World) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    mean_of(world, bad, good)
    alone = mean_of(world, good)
    world.maintainer.retract(str(alone.version), "one run is no soup")
    (touched,) = world.maintainer.retract(str(bad.version), "wrong labels").averages
    assert touched.replacement is None
    assert "was retracted itself" in touched.reason
    assert states(world)[str(alone.version)] == "retracted"


def test_two_members_retracted_at_once_are_both_out(world: World) -> None:
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4)]
    world.maintainer.release(str(mean_of(world, *members).version), "stable")
    with ThreadPoolExecutor(2) as pool:
        taken = [str(member.version) for member in members[:2]]
        list(pool.map(lambda id: world.maintainer.retract(id, "wrong labels"), taken))
    released = world.registry.versions.show("stable").entry
    assert released.state == "admitted"
    assert [parent.version for parent in released.version.parents] == [members[2].version]
    standing = [entry for entry in world.registry.versions.log(limit=100) if entry.state == "admitted"]
    assert not any(parent.version in taken for entry in standing for parent in entry.version.parents)


# -- names


def test_aliases_follow_with_a_move_that_names_who_and_why_and_tags_stay(world: World, tmp_path: Path) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    mean = mean_of(world, bad, good)
    world.maintainer.release(str(start.version), "stable")
    world.maintainer.release(str(mean.version), "stable", "better")
    world.maintainer.release(str(bad.version), "single")
    world.maintainer.tag(str(mean.version), "spring")
    ben = Maintainer(world.registry, Signer.open(tmp_path / "ben.key"), "ben")
    done = ben.retract(str(bad.version), "wrong labels")
    replacement = str(done.averages[0].replacement)
    assert done.aliases == (
        Naming(name="single", version=str(bad.version)),
        Naming(name="stable", version=str(mean.version), replacement=replacement),
    )
    assert [one.name for one in done.left_behind] == ["single"]
    assert done.tags == (Naming(name="spring", version=str(mean.version)),)
    assert world.registry.releases.aliases() == {"single": bad.version, "stable": replacement}
    assert world.registry.versions.resolve("spring") == mean.version
    move = world.registry.releases.alias_history("stable")[0]
    assert (move.version, move.before, move.author, move.node) == (replacement, mean.version, "ben", ben.signer.node)
    assert "wrong labels" in move.message
    with pytest.raises(Refusal, match="is retracted; release another one"):
        ben.undo("stable")
    ben.release(str(start.version), "stable", "back")
    assert world.registry.releases.aliases()["stable"] == start.version


def test_what_was_trained_from_it_is_listed_through_all_generations_and_stands(world: World) -> None:
    start = world.probed()
    bad, good = world.tuned(start, 2), world.tuned(start, 3)
    mean = mean_of(world, bad, good)
    child, grandchild = world.tuned(mean, 4), None
    grandchild = world.tuned(child, 5)
    of_these = mean_of(world, child, grandchild, purpose="children")
    beside = world.tuned(good, 6)
    done = world.maintainer.retract(str(bad.version), "wrong labels")
    assert done.influenced == (child.version, grandchild.version, of_these.version)
    assert done.influenced_in_all == 3
    now = states(world)
    assert {now[id] for id in done.influenced} == {now[str(beside.version)]} == {"admitted"}


def test_a_retracted_foundation_is_imported_again_only_when_somebody_restored_it(world: World) -> None:
    start = world.probed()
    foundation = world.registry.versions.show(str(start.version)).entry.version.parents[0].version
    tuned = world.tuned(start, 2)
    done = world.maintainer.retract(foundation, "its license")
    assert done.influenced == (start.version, tuned.version)
    assert states(world)[foundation] == "retracted"
    with pytest.raises(Refusal, match="was retracted, and does not come back by being pushed again"):
        world.foundation()
    receipt = world.registry.versions.show(foundation).entry.version.receipt
    world.maintainer.restore(str(receipt), "the license was found")
    assert world.foundation().version == foundation
    assert states(world)[foundation] == "admitted"
    assert "admitted again" in world.registry.rounds.events()[-1].text
    world.maintainer.retract(foundation, "it was not")
    with pytest.raises(Refusal, match="was retracted"):
        world.foundation()


# -- who may


def test_a_contributor_withdraws_their_own_and_nothing_else(world: World, tmp_path: Path) -> None:
    start = world.probed()
    mine, other = world.tuned(start, 2), world.tuned(start, 3)
    mean = mean_of(world, mine, other)
    stranger = Maintainer(world.registry, Signer.open(tmp_path / "stranger.key"), "eve")
    with pytest.raises(Refusal, match="was contributed by another key"):
        stranger.withdraw(str(mine.version), "it is not hers")
    with pytest.raises(Refusal, match="is an average, which nobody contributed"):
        world.maintainer.withdraw(str(mean.version), "a misunderstanding")
    done = world.maintainer.withdraw(str(mine.version), "my images were private")
    assert (done.standing, done.averages[0].parents) == ("contributor", 1)
    assert any(event.text.startswith("withdrawn by anna") for event in world.registry.rounds.events())
    assert stranger.retract(str(other.version), "as a maintainer").standing == "maintainer"


def test_what_is_no_retraction_by_its_signer_is_refused(world: World, tmp_path: Path) -> None:
    tuned = world.tuned(world.probed(), 2)
    change = Retract(version=str(tuned.version), message="why", at=1.0)
    sealed = world.signer.seal(change)
    forged = sealed.model_copy(update={"node": Signer.open(tmp_path / "other.key").node})
    with pytest.raises(Refusal, match="signature"):
        world.registry.releases.retract(forged)
    with pytest.raises(Refusal, match="signature"):
        world.registry.releases.retract(world.signer.seal(Tag(name="x", version=str(tuned.version), at=1.0)))
    with pytest.raises(Refusal, match="there is no version"):
        world.registry.releases.retract(world.signer.seal(change.model_copy(update={"version": "0" * 64})))
    with pytest.raises(Refusal, match="say why"):
        world.maintainer.retract(str(tuned.version), " ")
    assert world.registry.releases.retractions() == []
