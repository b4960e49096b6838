from __future__ import annotations

import json
import math
import platform
import re
import shutil
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from coordinator.commands.files import MARKS, Kind, kind_of, template
from coordinator.driver import RoundDriver
from coordinator.settings import RoundSettings, read_round_settings, resolve
from ratatouille.exchange.assignment import NodeAssignment, Probe
from ratatouille.exchange.membership import make_offer
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.processes import free_port
from ratatouille.recipes.protocol import EMOJI
from ratatouille.record import Record
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.node import NodeSettings, open_holdings, read_node_settings
from ratatouille.tasks.synthetic import STYLES, synthetic_tasks, write_synthetic
from ratatouille.tasks.task import Task
from ratatouille.weights.canonical import size
from registry.opening import open_registry
from registry.records import RoundRecord
from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import call, loaded_by
from tests.registry.world import NETWORK, World, featurizer, head

RECORDS: dict[Kind, type[Record]] = {"task": Task, "node": NodeSettings, "round": RoundSettings}
SHAPES = synthetic_tasks()["shapes"]
NOWHERE = f"grpc://127.0.0.1:{free_port()}"


@pytest.fixture(autouse=True)
def _nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATATOUILLE_REMOTE", NOWHERE)


def _write(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(tomli_w.dumps(values))
    return path


def _task_file(path: Path, task: Task = SHAPES) -> Path:
    return _write(path, task.model_dump(mode="json"))


# -- init


@pytest.mark.parametrize("kind", RECORDS)
def test_a_written_file_parses_and_its_comments_name_every_key(kind: Kind, tmp_path: Path) -> None:
    file = tmp_path / f"{kind}.toml"
    assert call("init", kind, file).code == 0
    assert RECORDS[kind].model_validate(tomllib.loads(file.read_text()))
    for key in RECORDS[kind].model_fields:
        assert f"{key} =" in file.read_text() or f"[{key}]" in file.read_text() or f"[[{key}]]" in file.read_text()


@pytest.mark.parametrize("kind", RECORDS)
def test_keys_that_are_commented_out_parse_too(kind: Kind, tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# ([a-z_]+ = )", r"\1", template(kind).decode())
    assert RECORDS[kind].model_validate(tomllib.loads(text))


@pytest.mark.parametrize("kind", RECORDS)
def test_a_file_is_known_by_its_keys(kind: Kind, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(template(kind))
    assert kind_of(file) == kind


def test_the_marks_are_keys_of_one_kind_only() -> None:
    for kind, marks in MARKS.items():
        assert marks <= RECORDS[kind].model_fields.keys()
        for other in RECORDS.keys() - {kind}:
            assert not marks & RECORDS[other].model_fields.keys()


def test_init_writes_here_or_into_a_folder_and_replaces_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("init", "node").code == 0
    (tmp_path / "node.toml").write_text("mine")
    call("init", "node").refused("'node.toml' exists already", "--force")
    call("init", "node", tmp_path).refused("exists already")
    assert (tmp_path / "node.toml").read_text() == "mine"
    assert call("init", "node", "--force").code == 0
    assert (tmp_path / "node.toml").read_bytes() == template("node")
    assert call("init", "recipe").code == 2


# -- check, any file


def test_a_file_that_is_missing_unclear_or_damaged_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    call("check", file).refused("there is no file", "ratatouille init")
    call("check", tmp_path / "node.toml").refused("there is no node file", "ratatouille init node")
    file.write_text("colour = 1")
    call("check", file).refused("do not tell what it is", "--kind")
    file.write_text("classes = [")
    call("check", file).refused("not valid TOML")
    file.write_text("clases = []")
    call("check", file, "--kind", "task").refused("my.toml", "it has no key 'clases'; did you mean 'classes'?")
    file.write_text("classes = ['a', 'b']")
    call("check", file, "--task-file", file).refused("--task-file belongs to a node file")


# -- check, task


def test_a_task_is_described_also_where_no_registry_answers(tmp_path: Path) -> None:
    file = _task_file(tmp_path / "task.toml")
    shown = call("check", file).out
    for words in ("shapes (target)", "3: disc, square, triangle", "75 % train, 25 % validate", SHAPES.digest):
        assert words in shown
    found = call("check", file, "--json").json
    assert (found["kind"], found["id"], found["registry"]) == ("task", SHAPES.digest, "unreachable")


def test_a_task_is_compared_with_the_registrys(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "task.toml"
    assert call("check", _task_file(file), "--json", *stage.remote).json["registry"] == "defined"
    _task_file(file, SHAPES.model_copy(update={"name": "other"}))
    assert call("check", file, "--json", *stage.remote).json["registry"] == "new"
    _task_file(file, SHAPES.model_copy(update={"metric": "balanced_accuracy", "description": ""}))
    call("check", file, *stage.remote).refused("otherwise than the registry", "(metric, description)")


# -- check, node


def _node(folder: Path, name: str = "ann", task: str = "shapes", **changes: Any) -> Path:
    data = folder / task
    if not data.exists():
        write_synthetic(task, data, each=4)
    table = {"task": task, "path": str(data), "group": "stem", "missing_classes": "allow"}
    table |= {key: changes.pop(key) for key in ("domains", "path", "corrupt") if key in changes}
    return _write(folder / f"{name}.node.toml", {"name": name, "device": "cpu", "data": [table], **changes})


def test_a_node_counts_its_images_by_domain_class_and_split(tmp_path: Path) -> None:
    _task_file(tmp_path / "task.toml")
    file = _node(tmp_path, device="cpu")
    (found,) = call("check", file, "--json").json["data"]
    counts = found["holding"]["counts"]
    assert sorted(counts) == sorted(STYLES)
    assert {sum(sum(rows[side]) for side in rows) for rows in counts.values()} == {12}
    assert found["task_from"] == f"file {tmp_path / 'task.toml'}"
    shown = call("check", file).out
    assert "node ann: trains and evaluates, device cpu" in shown
    assert f"fingerprint {found['holding']['fingerprint']}" in shown
    totals = [str(sum(counts["day"][side])) for side in ("train", "validation", "test")]
    assert ["day", *totals] in [line.split() for line in shown.splitlines()]
    assert ["day", "all", *totals] in [line.split() for line in call("check", file, "--details").out.splitlines()]


def test_check_of_a_node_fits_one_screen_however_many_domains_it_has(tmp_path: Path) -> None:
    domains = [f"room-{number}" for number in range(30)]
    task = SHAPES.model_copy(update={"domains": tuple(domains)})
    _task_file(tmp_path / "task.toml", task)
    file = _node(tmp_path)
    first = tmp_path / "shapes" / "day"
    for number, name in enumerate(domains):
        for image in first.glob("*/*.png"):
            place = tmp_path / "shapes" / name / image.parent.name / image.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(image.read_bytes() + bytes([number]))
    for style in STYLES:
        shutil.rmtree(tmp_path / "shapes" / style)
    shown = call("check", file).out
    lines = sum(math.ceil(max(1, len(line)) / 80) for line in shown.splitlines())
    assert lines <= 40, shown
    assert "all domains" in shown
    assert len(call("check", file, "--details").out.splitlines()) > 100
    call("check", tmp_path / "task.toml", "--details").refused("--details belongs to a node file")


def test_a_node_that_only_evaluates_says_so_and_skipped_images_are_named(tmp_path: Path) -> None:
    _task_file(tmp_path / "task.toml")
    file = _node(tmp_path, trains=False, corrupt="skip")
    (tmp_path / "shapes" / "day" / "disc" / "broken.png").write_bytes(b"no image")
    shown = call("check", file).out
    assert "evaluates, never trains" in shown
    assert "broken.png" in shown.replace("\n", "")
    _node(tmp_path)
    call("check", file).refused("broken.png", "corrupt = ")


def test_a_task_comes_from_the_given_file_the_registry_or_the_file_beside(stage: Stage, tmp_path: Path) -> None:
    file = _node(tmp_path)
    call("check", file).refused(NOWHERE, "--task-file task.toml")
    given = _task_file(tmp_path / "given.toml")
    assert call("check", file, "--task-file", given, "--json").json["data"][0]["task_from"] == f"file {given}"
    assert call("check", file, "--json", *stage.bare()).json["data"][0]["task_from"] == "registry"
    call("check", _node(tmp_path, remote="theirs")).refused("no remote 'theirs'")


def test_what_check_says_of_a_node_is_what_it_will_offer(tmp_path: Path) -> None:
    _task_file(tmp_path / "task.toml")
    file = _node(tmp_path)
    data = open_holdings(read_node_settings(file), lambda _: SHAPES, tmp_path / "cache")
    assert call("check", file, "--json").json["data"][0]["holding"]["fingerprint"] in data


def test_check_of_a_node_ends_with_what_leaves_the_machine_and_keeps_its_copies_private(
    tmp_path: Path, home: Path
) -> None:
    _task_file(tmp_path / "task.toml")
    file = _node(tmp_path, device="cpu")
    found = call("check", file, "--json").json
    said = {(one["record"], one["field"]): one["example"] for one in found["leaves"]}
    assert said["holding", "counts"] == found["data"][0]["holding"]["counts"]
    assert said["offer", "name"] == "ann"
    assert said["receipt", "software"]["python"] == platform.python_version()
    assert str(tmp_path) not in json.dumps(found["leaves"])
    lines = call("check", file, "--details").out.splitlines()
    assert "What leaves this machine" in lines
    assert lines[-1].startswith("Never: images, file names")
    assert {path.stat().st_mode & 0o077 for path in (home, *home.rglob("*"))} == {0}


def test_data_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    _task_file(tmp_path / "task.toml")
    call("check", _node(tmp_path, path="nowhere")).refused("nowhere")
    call("check", _node(tmp_path, domains=["dusk"])).refused("dusk")
    call("check", _node(tmp_path, colour=1)).refused("colour")


# -- check, round


class Stage:
    """A registry with tasks and a foundation, and nodes that offer synthetic data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held: list[LocalData] = []
        self.remote = ("--remote", folder / "registry")
        self.registry = open_registry(folder / "registry")
        for task in synthetic_tasks().values():
            self.registry.definitions.define_task(task)
        self.world = World(self.registry, folder, Signer.open(folder / "key"))
        self.world.define()
        self.world.maintainer.release(str(self.world.foundation().version))

    def bare(self) -> tuple[str, Path]:
        """A registry with the tasks and no foundation, so that a node has no network to try its device with."""
        with closing(open_registry(self.folder / "bare")) as registry:
            for task in synthetic_tasks().values():
                registry.definitions.define_task(task)
        return "--remote", self.folder / "bare"

    def offer(self, name: str, task: str, domains: tuple[str, ...], trains: bool = True, **data: Any) -> None:
        """A node offers its data for a minute."""
        settings = read_node_settings(_node(self.folder, name, task, domains=domains, trains=trains, **data))
        signer = Signer.open(self.folder / f"{name}.key")
        held = open_holdings(settings, self.registry.definitions.task, self.folder / "cache").values()
        self.registry.work.offer(make_offer(signer, name, held, trains=trains))
        self.held += held
        self.world.offer(*held)  # who answers for all of them held the same data once
        self.world.leave()

    def round(self, **changes: Any) -> Path:
        """A round.toml with three runs of each recipe."""
        values = {"name": "spring", "target": "shapes", "held_out": ["sketch"], "recipes": ["soup", "ratatouille"]}
        return _write(self.folder / "round.toml", values | {"protocol": {"name": "emoji", "runs": 3}} | changes)

    def answer(self, file: Path, kind: str, seconds: float) -> int:
        """Answer the open questions of a kind with random weights; returns how many there were."""
        driver = RoundDriver(resolve(read_round_settings(file), self.registry), self.registry, 0.0)
        orders = [one for one in driver.gather().orders.values() if one.assignment.kind == kind]
        for number, order in enumerate(orders):
            files = dict([self.world.file(head(number, classes=3)), self.world.file(featurizer(number))])
            new_head, new_featurizer = files
            receipt = Receipt(
                assignment=order.assignment,
                parents=order.parents,
                node=self.world.signer.node,
                featurizer=order.assignment.featurizer if isinstance(order.assignment, Probe) else new_featurizer,
                head=new_head,
                seconds=seconds,
            )
            self.world.work(receipt, files)
        return len(orders)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "stage").mkdir()
    stage = Stage(tmp_path / "stage")
    yield stage
    stage.registry.close()


@pytest.fixture
def crowd(stage: Stage) -> Stage:
    """Ann trains on two styles, Eve holds the third, Bob has an auxiliary task."""
    stage.offer("ann", "shapes", ("day", "night"))
    stage.offer("eve", "shapes", ("sketch",), trains=False)
    stage.offer("bob", "shapes-round", ("day", "night"))
    return stage


def test_a_round_says_what_it_would_run_where_and_on_whose_data(crowd: Stage) -> None:
    file = crowd.round()
    found = call("check", file, "--json", *crowd.remote).json
    # One head and one auxiliary head; one auxiliary run; three runs of soup and one more of ratatouille, whose runs 1
    # and 3 start from the foundation and are soup's; each run is counted on the held-out style, and so are two means,
    # whose validation is counted too; each run is reviewed, with a reference that is a combination.
    kinds = {row["what"]: row["all"] for row in found["estimate"]["rows"]}
    assert sum(kinds.values()) == found["questions"] == 2 + 1 + 4 + 4 + 2 * 2 + 4
    assert (found["known"], found["combinations"], found["estimate"]["shared"]) == (0, 3, 2)
    assert found["estimate"]["open_steps"] == 4 * EMOJI.steps + EMOJI.auxiliary_steps
    assert sorted(found["holders"].values()) == [["ann"], ["bob"], ["eve"]]
    shown = call("check", file, *crowd.remote).out
    for words in ("day, night of ann", "sketch of eve", "auxiliary shapes-round", "19 questions, 0 known, 19 open"):
        assert words in shown
    assert "how long that takes shows when these nodes have trained" in shown


def test_what_is_known_is_not_counted_as_open_and_tells_the_time_of_nodes_that_are_here(crowd: Stage) -> None:
    file = crowd.round()
    assert crowd.answer(file, "probe", seconds=1.0) == 2
    assert call("check", file, "--json", *crowd.remote).json["known"] == 2
    answered = crowd.answer(file, "fine_tune", seconds=EMOJI.steps / 10)
    found = call("check", file, "--json", *crowd.remote).json
    assert found["known"] == 2 + answered
    assert found["estimate"]["seconds"] is None, "the node that trained has left"
    crowd.world.offer(*crowd.held)
    estimate = call("check", file, "--json", *crowd.remote).json["estimate"]
    assert estimate["seconds"] == pytest.approx(estimate["open_steps"] / 10)


def test_a_domain_that_is_too_small_and_a_class_without_images_are_said_before_any_work(stage: Stage) -> None:
    """Ann has a style; Tom has one image of one class of another style, which nobody can train on."""
    write_synthetic("shapes", stage.folder / "shapes", each=4)
    few = stage.folder / "few"
    for name in ("disc", "square"):
        shutil.copytree(stage.folder / "shapes" / "day" / name, few / "day" / name)
    tiny = stage.folder / "tiny" / "night" / "disc"
    tiny.mkdir(parents=True)
    shutil.copy(min((stage.folder / "shapes" / "night" / "disc").iterdir()), tiny)
    stage.offer("ann", "shapes", ("day",), path=str(few))
    stage.offer("tom", "shapes", ("night",), path=str(tiny.parent.parent))
    stage.offer("eve", "shapes", ("sketch",), trains=False)

    small = "domain night has no image to"
    assert small in call("check", stage.folder / "tom.node.toml", *stage.bare()).out.replace("\n", " ")
    file = stage.round(recipes=["soup"])
    left_out, nobody = "domain night of task shapes in the holding", "has an image to train class 'triangle' of task"
    for command in (("check",), ("round", "plan"), ("round", "run", "--detach"), ("round", "report")):
        last = "spring" if command[-1] == "report" else file
        shown = " ".join(call(*command, last, *stage.remote).out.split())
        assert left_out in shown, command
        assert "is left out of training, since it has no image to" in shown
        assert nobody in shown, command
    assert len(call("round", "report", "spring", "--json", *stage.remote).json["gaps"]) == 2
    assert len(call("round", "plan", file, "--json", *stage.remote).json["gaps"]) == 2
    driver = RoundDriver(resolve(read_round_settings(file), stage.registry), stage.registry, 0.0)
    work = [order.assignment for order in driver.advance().orders.values()]
    assert {one.fingerprint for one in work if isinstance(one, NodeAssignment)} == {
        share.fingerprint for share in driver.round.training
    }
    logged = " ".join(call("round", "logs", "spring", *stage.remote).out.split())
    assert left_out in logged


def test_a_round_says_how_much_room_it_needs_and_warns_when_there_is_less(crowd: Stage) -> None:
    file = crowd.round()
    body = size(NETWORK.featurizer)
    top = size(NETWORK.head(3))  # the auxiliary task has three classes too
    needed = 2 * top + 5 * (body + top) + 3 * (body + top)  # two probes, five runs, two means and a reference
    plan = call("round", "plan", file, "--json", *crowd.remote).json
    assert plan["bytes_stored"] == needed
    assert plan["bytes_free"] > needed
    assert "warning" not in call("round", "plan", file, *crowd.remote).out
    local = LocalRegistry(crowd.folder / "registry")
    local.maintenance.configure("reserve_bytes", 2**62)
    for command in (("round", "plan"), ("check",)):
        shown = call(*command, file, *crowd.remote).out
        assert "warning: the registry has room for 0 MiB" in shown
    local.maintenance.configure("reserve_bytes", None)
    local.close()
    crowd.answer(file, "probe", seconds=1.0)
    assert call("round", "plan", file, "--json", *crowd.remote).json["bytes_stored"] == needed - 2 * top


def test_a_round_warns_when_gc_has_removed_what_it_builds_on(crowd: Stage) -> None:
    file = crowd.round()
    crowd.answer(file, "probe", seconds=1.0)
    answered = crowd.answer(file, "fine_tune", seconds=1.0)  # the auxiliary run, and soup's three
    assert call("round", "plan", file, "--json", *crowd.remote).json["removed"] == 0
    later = time.time() + 60
    crowd.registry.rounds.request_round(
        RoundRecord(id="later", name="later", spec="{}", state="done", created=later, changed=later)
    )
    local = LocalRegistry(crowd.folder / "registry")
    local.maintenance.configure("retention_rounds", 1)
    local.close()
    assert crowd.registry.maintenance.collect(dry_run=False).versions_in_all == answered + 2
    plan = call("round", "plan", file, "--json", *crowd.remote).json
    needed = answered + 1  # of the two heads only the target's: the auxiliary run is done
    assert plan["removed"] == needed
    shown = call("round", "plan", file, *crowd.remote).out
    assert f"warning: gc has removed the weights of {needed} versions" in shown


def test_checking_a_round_enters_nothing(crowd: Stage) -> None:
    before = crowd.registry.rounds.events(limit=10_000)
    assert call("check", crowd.round(), *crowd.remote).code == 0
    assert crowd.registry.rounds.events(limit=10_000) == before
    assert crowd.registry.rounds.rounds() == []


def test_data_that_is_missing_for_a_round_is_named(stage: Stage) -> None:
    call("check", stage.round(), *stage.remote).refused("day, night of task 'shapes'", "node status")
    stage.offer("ann", "shapes", ("day", "night"))
    call("check", stage.round(), *stage.remote).refused("sketch of task 'shapes'")
    stage.offer("eve", "shapes", ("sketch",), trains=False)
    call("check", stage.round(auxiliaries=["shapes-round"]), *stage.remote).refused("'shapes-round'", "auxiliaries")
    assert call("check", stage.round(), *stage.remote).code == 0


def test_a_mistake_in_a_round_is_refused(crowd: Stage) -> None:
    for changes, words in (
        ({"recipes": ["stew"]}, ("stew", "ratatouille")),
        ({"target": "cars"}, ("cars",)),
        ({"held_out": ["dusk"]}, ("dusk", "day, night, sketch")),
        ({"held_out": list(STYLES)}, ("every domain",)),
        ({"protocol": {"name": "fast"}}, ("fast", "emoji")),
        ({"protocol": {"name": "emoji", "stepz": 1}}, ("stepz",)),
        ({"foundation": "nothing"}, ("nothing",)),
        ({"recipe": ["soup"]}, ("did you mean 'recipes'?",)),
    ):
        call("check", crowd.round(**changes), *crowd.remote).refused(*words)
    call("check", crowd.round()).refused(NOWHERE)


def test_init_and_checking_a_task_need_no_image_library_and_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "task.toml"
    heavy = {"torch", "flwr", "sqlalchemy", "alembic", "timm", "PIL"}
    assert not loaded_by(["init", "task", file], ["check", file, "--remote", NOWHERE]) & heavy


def test_an_invitation_is_named_with_the_command_that_checks_it(tmp_path: Path) -> None:
    line = "ratatouille-invite:eyJhIjoxfQ"
    (tmp_path / "anna.txt").write_text(f"{line}\n")
    call("check", tmp_path / "anna.txt").refused("is an invitation", f"`ratatouille node check {tmp_path}/anna.txt`")
    refused = call("check", line)
    refused.refused("this is an invitation", "`ratatouille node check INVITE`")
    assert line not in refused.err
