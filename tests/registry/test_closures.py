"""Questions that a member has closed for itself, and counts that were taken back; over every implementation."""

import dataclasses
import time
from pathlib import Path

import pytest

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.change import Close, Reopen
from ratatouille.exchange.signing import Signer, unseal
from registry.maintainer import Maintainer
from registry.records import Result
from tests.registry.world import World


def another(world: World, tmp_path: Path) -> World:
    """Another key with the same data."""
    return dataclasses.replace(world, signer=Signer.open(tmp_path / "another.key"))


def withdrawn(world: World) -> tuple[Result, Result]:
    """A start, and a training from it that its contributor took back for good."""
    start = world.probed()
    bad = world.tuned(start, 2)
    world.maintainer.close_question(bad.work_id, "wrong labels")
    world.maintainer.withdraw(str(bad.version), "wrong labels")
    return start, bad


def test_a_closed_question_is_not_leased_to_its_key_and_not_taken_from_it(world: World) -> None:
    start, bad = withdrawn(world)
    again, files = world.fine_tune(start, 2, seconds=3.0)
    with pytest.raises(Refusal, match="has closed question"):
        world.lease(again)
    with pytest.raises(Refusal, match="has closed question"):
        world.registry.weights.push(world.seal(again), files)
    assert world.registry.work.results([bad.work_id]) == {}


def test_another_key_with_the_same_data_may_answer_it(world: World, tmp_path: Path) -> None:
    start, bad = withdrawn(world)
    other = another(world, tmp_path)
    made = other.tuned(start, 2)
    assert made.work_id == bad.work_id
    assert world.registry.work.results([bad.work_id])[bad.work_id].node == other.signer.node


def test_only_its_own_key_closes_and_opens_a_question(world: World, tmp_path: Path) -> None:
    start, bad = withdrawn(world)
    stranger = Maintainer(world.registry, Signer.open(tmp_path / "another.key"))
    stranger.reopen_question(bad.work_id)
    receipt, files = world.fine_tune(start, 2, seconds=3.0)
    with pytest.raises(Refusal, match="has closed question"):
        world.lease(receipt)
    world.maintainer.reopen_question(bad.work_id)
    assert world.work(receipt, files).work_id == bad.work_id
    stranger.close_question(bad.work_id)
    assert [one.node for one in world.registry.work.closures([bad.work_id])] == [stranger.signer.node]


def test_what_is_closed_while_somebody_works_on_it_is_not_taken_and_others_need_not_wait(
    world: World, tmp_path: Path
) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    assert world.lease(receipt) is not None
    world.maintainer.close_question(receipt.work_id)
    assert world.registry.work.leases() == []
    with pytest.raises(Refusal, match="has closed question"):
        world.registry.weights.push(world.seal(receipt), files)
    assert another(world, tmp_path).tuned(start, 2).work_id == receipt.work_id


def test_what_was_signed_before_the_last_word_opens_and_closes_nothing(world: World) -> None:
    question = "7" * 64
    opening = world.signer.seal(Reopen(question=question, at=time.time()))
    world.registry.work.reopen_question(opening)  # it changes nothing, and somebody keeps it
    closing = world.signer.seal(Close(question=question, at=time.time()))
    world.maintainer.close_question(question)
    with pytest.raises(Unreachable, match=r"was signed .* before the last one"):
        world.registry.work.reopen_question(opening)
    assert len(world.registry.work.closures([question])) == 1
    world.registry.work.close_question(closing)  # it is closed already
    world.maintainer.reopen_question(question)
    with pytest.raises(Unreachable, match=r"was signed .* before the last one"):
        world.registry.work.close_question(closing)
    assert world.registry.work.closures([question]) == []


def test_the_closures_that_stand_are_signed_and_counted(world: World) -> None:
    _, bad = withdrawn(world)
    before = world.registry.info().closures
    (sealed,) = world.registry.work.closures([bad.work_id, bad.work_id])
    assert unseal(sealed, Close).question == bad.work_id
    world.maintainer.close_question(bad.work_id, "once more")
    assert world.registry.info().closures == before == 1
    world.maintainer.reopen_question(bad.work_id)
    assert world.registry.work.closures([bad.work_id]) == []
    assert world.registry.info().closures == 2


def test_counts_that_were_taken_back_count_no_more_and_their_question_is_open(world: World) -> None:
    start = world.probed()
    tuned = world.tuned(start, 1)
    receipt = world.evaluation(tuned)
    world.work(receipt, {})
    ranked = world.registry.versions.best("pets", split="test")
    assert [one.entry.id for one in ranked.versions] == [tuned.version]
    retractions = world.registry.info().retractions
    with pytest.raises(Refusal, match="say why"):
        world.maintainer.retract_counts(receipt.digest, " ")
    world.maintainer.retract_counts(receipt.digest, "wrong labels")
    world.maintainer.retract_counts(receipt.digest, "once more")
    with pytest.raises(Refusal, match="no version for pets was counted on split test"):
        world.registry.versions.best("pets", split="test")
    assert world.registry.work.results([receipt.work_id]) == {}
    assert world.registry.info().retractions == retractions + 1
    counted = world.registry.versions.show(str(tuned.version)).evaluations
    assert [one.evaluation.cell.split for one in counted] == ["validation"]


def test_a_version_is_not_taken_back_as_counts(world: World) -> None:
    tuned = world.tuned(world.probed(), 1)
    receipt = str(world.registry.versions.show(str(tuned.version)).entry.version.receipt)
    with pytest.raises(Refusal, match="take the version back"):
        world.maintainer.retract_counts(receipt, "why")
    with pytest.raises(Refusal, match="there is no receipt"):
        world.maintainer.retract_counts("0" * 64, "why")


def test_what_a_key_gave_is_listed_latest_first_page_by_page(world: World, tmp_path: Path) -> None:
    _, bad = withdrawn(world)
    other = another(world, tmp_path)
    counts = other.evaluation(world.tuned(world.probed(), 1))
    other.work(counts, {})
    mine = world.registry.work.submissions([world.signer.node])
    assert [(one.kind, one.state, one.closed) for one in mine] == [
        ("fine_tune", "admitted", False),
        ("fine_tune", "retracted", True),
        ("probe", "admitted", False),
        ("import", "admitted", False),
    ]
    assert [(one.task_name, one.version) for one in mine][1] == ("pets", bad.version)
    assert world.registry.work.submissions([world.signer.node], mine[0].receipt, 2) == mine[1:3]
    (theirs,) = world.registry.work.submissions([other.signer.node])
    assert (theirs.receipt, theirs.work_id, theirs.version) == (counts.digest, counts.work_id, None)
    assert len(world.registry.work.submissions([world.signer.node, other.signer.node])) == 5
