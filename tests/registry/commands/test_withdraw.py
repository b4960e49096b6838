import shutil
from pathlib import Path

import pytest

from ratatouille.outbox import OUTBOX, sent_messages
from registry.records import Retraction
from registry.transport.client import RemoteRegistry
from tests.ratatouille.cli.call import call
from tests.registry.world import STOCK, World


@pytest.fixture
def mine(home: Path, tmp_path: Path, world: World) -> World:
    """The world's key is that of a node of this machine."""
    (home / "nodes" / "ben").mkdir(parents=True)
    shutil.copy(tmp_path / "node.key", home / "nodes" / "ben" / "key")
    return world


def test_withdraw_finds_the_key_that_signed_among_the_nodes_of_this_machine(
    history: dict[str, str], world: World, home: Path, tmp_path: Path
) -> None:
    call("withdraw", history["first"], "-m", "mine").refused("is not below", "--folder")
    call("withdraw", history["average"], "-m", "mine").refused("is an average, which nobody contributed")
    for name in ("anna", "ben"):
        (home / "nodes" / name).mkdir(parents=True)
    shutil.copy(tmp_path / "node.key", home / "nodes" / "ben" / "key")
    assert "would be withdrawn: mine" in call("withdraw", history["first"], "-m", "mine", "--dry-run").out
    found = call("withdraw", history["first"], "-m", "mine", "--json").json
    assert (found["standing"], found["node"]) == ("contributor", world.signer.node)
    call("withdraw", history["second"], "-m", "mine", "--folder", home / "nodes" / "anna").refused("is not in", "anna")
    assert call("withdraw", history["second"], "-m", "mine", "--folder", home / "nodes" / "ben").code == 0


def test_a_withdrawn_question_is_closed_and_reopened_by_the_same_key(history: dict[str, str], mine: World) -> None:
    found = call("withdraw", history["first"], "-m", "mine", "--json").json
    assert found["closed"] is True
    (standing,) = mine.registry.work.closures([found["question"]])
    assert standing.node == mine.signer.node
    assert "closed" in call("withdraw").out
    call("withdraw", history["first"], "--reopen", "--dry-run")
    assert len(mine.registry.work.closures([found["question"]])) == 1
    assert "open again" in call("withdraw", history["first"], "--reopen").out
    assert mine.registry.work.closures([found["question"]]) == []
    assert "none of these questions is closed" in call("withdraw", history["first"], "--reopen").out


def test_counts_are_withdrawn_by_their_receipt_or_question(history: dict[str, str], mine: World) -> None:
    (counts,) = [one for one in call("withdraw", "--json").json["submissions"] if one["kind"] == "evaluate"]
    call("withdraw", counts["receipt"][:10]).refused("say why")
    assert "would be withdrawn" in call("withdraw", counts["receipt"][:10], "-m", "wrong", "--dry-run").out
    assert "were withdrawn" in call("withdraw", counts["receipt"][:10], "-m", "wrong labels").out
    assert mine.registry.work.results([counts["work_id"]]) == {}
    assert len(mine.registry.work.closures([counts["work_id"]])) == 1
    assert call("withdraw", counts["work_id"][:10], "--reopen", "--json").json["reopened"] == [counts["work_id"]]


def test_everything_for_a_task_or_everything_at_all_is_withdrawn_at_once(history: dict[str, str], mine: World) -> None:
    for_task = call("withdraw", "--task", "pets", "-m", "the study is over", "--json").json["withdrawn"]
    assert sorted(one["kind"] for one in for_task) == ["evaluate", "fine_tune", "fine_tune", "probe"]
    assert {one["closed"] for one in for_task} == {True}
    rest = call("withdraw", "--all", "-m", "good bye", "--json").json["withdrawn"]
    assert [one["kind"] for one in rest] == ["import"]
    assert {entry.state for entry in mine.registry.versions.log()} == {"retracted"}
    assert call("withdraw", "--all", "-m", "again").out.strip() == "there is nothing to withdraw"
    call("withdraw", "--task", "birds", "-m", "why").refused("birds")
    call("withdraw", history["first"], "--all", "-m", "why").refused("say one of these")


def test_it_is_said_that_the_data_is_still_offered_and_how_to_stop_that(history: dict[str, str], mine: World) -> None:
    mine.offer(name="ben")
    images = STOCK.holding.total()
    out = call("withdraw", history["first"], "-m", "mine").out
    assert f"Node ben still offers its data of task pets ({images} images)" in out
    assert "take the task out of its node.toml" in out
    (said,) = call("withdraw", history["second"], "-m", "mine", "--json").json["still_offered"]
    assert (said["node"], said["task"], said["images"]) == ("ben", "pets", images)


def test_what_a_script_reads_of_one_version_is_a_retraction(history: dict[str, str], mine: World) -> None:
    found = call("withdraw", history["first"], "-m", "mine", "--json").json
    assert Retraction.model_fields.keys() <= found.keys()


def test_what_a_nodes_key_takes_back_is_in_the_log_of_what_left_that_node(
    history: dict[str, str], mine: World, home: Path
) -> None:
    question = call("withdraw", history["first"], "-m", "mine", "--json").json["question"]
    found = {one.kind: one for one in sent_messages(home / "nodes" / "ben" / OUTBOX)}
    if not isinstance(mine.registry, RemoteRegistry):
        assert not found  # the registry is a folder of this machine
        return
    assert found["closure"].about == question
    assert "mine" not in (home / "nodes" / "ben" / OUTBOX / "sent.jsonl").read_text()
    assert {"closure", "retract"} <= found.keys()
