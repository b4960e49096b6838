"""What people may get wrong, as one table: each bad input ends in one sentence, code 2, and nothing written.

Every row runs twice through the real command line: on a registry's folder and on a service process before it.
"""

from __future__ import annotations

import csv
import itertools
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from safetensors.numpy import load_file, save_file

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.membership import Announcement, make_offer
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Rule, Version
from ratatouille.processes import free_port
from ratatouille.tasks.node import open_holdings, read_node_settings
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from registry.owner_key import FOLDER as OWNER_KEYS
from registry.records import RoundRecord
from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from tests.coordinator.federation import NODES, Ground
from tests.ratatouille.cli.call import Called, call
from tests.ratatouille.cli.call import home as home
from tests.registry.conftest import Process
from tests.registry.conftest import beginning as beginning
from tests.registry.conftest import postgresql as postgresql
from tests.registry.conftest import running_postgresql as running_postgresql
from tests.registry.conftest import s3 as s3
from tests.registry.conftest import world as world
from tests.registry.world import NETWORK, World, featurizer

COORDINATOR = Signer(Ed25519PrivateKey.from_private_bytes(b"c" * 32))

NOWHERE = f"grpc://127.0.0.1:{free_port()}"
Words = list[object]


# -- the scene: a registry with tasks, a foundation, rounds, and the offers of three nodes


@dataclass(frozen=True)
class Place:
    """A folder with a registry that a service serves, and the data of its nodes."""

    ground: Ground
    registry: LocalRegistry
    address: str
    prefix: str
    """What the ids of two versions begin with."""
    owner: Path
    """The home of the person whose service it is."""

    def written(self) -> object:
        """Everything that a command could have changed."""
        registry, folder = self.registry, self.registry.folder
        return (
            registry.rounds.events(limit=10_000),
            registry.versions.log(limit=1000),
            registry.releases.aliases(),
            registry.rounds.rounds(),
            [task.name for task in registry.definitions.tasks()],
            sorted(offer.name for offer in registry.work.offers()),
            registry.work.leases(),
            sorted(str(path) for path in (folder / "blobs").rglob("*")),
            sorted(path.name for path in (folder / "receiving").iterdir() if path.stat().st_size),
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The registry that all rows share: none of them may change it."""
    folder = tmp_path_factory.mktemp("place")
    ground = Ground(folder)
    registry = LocalRegistry(folder / "registry")
    ground.enter(registry)
    for name in NODES:
        settings, signer = read_node_settings(ground.node_file(name)), Signer.open(folder / "keys" / name)
        held = open_holdings(settings, registry.definitions.task, folder / "cache").values()
        registry.work.offer(make_offer(signer, name, held, trains=settings.trains, seconds=3600.0))
    for number in (1, 2):
        record = {"id": f"5ee{number}", "name": f"spring-{number}", "spec": "{}", "state": "done"}
        registry.rounds.request_round(RoundRecord.model_validate(record | {"created": 1.0, "changed": 1.0}))
    prefix = _two_of_one_beginning(registry, folder)
    registry.work.announce(COORDINATOR.seal(Announcement(fleet=f"127.0.0.1:{free_port()}")))
    with pytest.MonkeyPatch.context() as owner:
        owner.setenv("RATATOUILLE_HOME", str(folder / "owner"))
        process = Process(folder / "registry")
    yield Place(ground, registry, process.url, prefix, folder / "owner")
    process.end(signal.SIGKILL)
    registry.close()


def _two_of_one_beginning(registry: LocalRegistry, folder: Path) -> str:
    """Enter two foundations whose ids begin alike; found by trying sources, as ids are hashes."""
    registry.definitions.define_architecture(NETWORK)
    here = World(registry, folder, Signer.open(folder / "keys" / "maintainer"))
    digest, _ = here.file(featurizer(0))
    seen: dict[str, str] = {}
    for source in map(str, itertools.count()):
        work = Import(architecture=NETWORK.digest, featurizer=digest, source=source)
        version = Version(
            featurizer=digest,
            head=None,
            architecture=NETWORK.digest,
            task=None,
            parents=(),
            rule=Rule(name="import", revision=1),
            receipt=Receipt(assignment=work, node=here.signer.node, featurizer=digest).digest,
        )
        if other := seen.get(version.id[:4]):
            found = {here.foundation(source=one).version for one in (other, source)}
            assert version.id in found
            return version.id[:4]
        seen[version.id[:4]] = source
    raise AssertionError


@dataclass(frozen=True)
class Scene:
    """What one row has: the shared place, how it is reached, and an empty folder of its own."""

    place: Place
    remote: str
    folder: Path

    def file(self, name: str, text: str | bytes) -> Path:
        """Any file."""
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def round(self, *flags: object, **changes: object) -> Words:
        """`round run` of the place's round.toml with other values."""
        values = tomllib.loads(self.place.ground.round.read_text()) | changes
        return ["round", "run", self.file("round.toml", tomli_w.dumps(values)), "--detach", *flags]

    def protocol(self, **changes: object) -> Words:
        """`round run` with other values of the protocol."""
        values = tomllib.loads(self.place.ground.round.read_text())["protocol"]
        return self.round(protocol=values | changes)

    @property
    def data(self) -> Path:
        """Good images of `shapes`, for a row to spoil."""
        return write_synthetic("shapes", self.folder / "data", each=2, size=16, styles=("day", "night"))

    def node_file(self, path: Path | str, node: Mapping[str, object] | None = None, **table: object) -> Path:
        """A node.toml for `path`."""
        values = {"task": "shapes", "path": str(path), "group": "stem"} | table
        node_values = {"name": "ann", "device": "cpu", "data": [values]} | dict(node or {})
        return self.file("node.toml", tomli_w.dumps(node_values))

    def join(self, path: Path | str, node: Mapping[str, object] | None = None, **table: object) -> Words:
        """`node join` on the data in `path`."""
        return ["node", "join", self.node_file(path, node, **table)]

    def manifest(self, *rows: tuple[str, ...], columns: tuple[str, ...] = ("file_name", "label", "domain")) -> Path:
        """A CSV beside good images."""
        path = self.data / "images.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
        return path

    def weights(self, **changes: np.ndarray[Any, Any]) -> Path:
        """The place's foundation with some tensors replaced."""
        path = self.folder / "mine.safetensors"
        save_file(load_file(self.place.ground.foundation) | changes, path)
        return path

    def damaged(self) -> Path:
        """Good images with one that is none."""
        data = self.data
        (data / "day" / "disc" / "broken.png").write_bytes(b"no image")
        return data


@pytest.fixture(params=["folder", "service"])
def scene(
    request: pytest.FixtureRequest, place: Place, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    remote = place.address if request.param == "service" else str(place.registry.folder)
    monkeypatch.setenv("RATATOUILLE_REMOTE", remote)
    shutil.copytree(place.owner / OWNER_KEYS, home / OWNER_KEYS)  # the person of the test owns the service
    return Scene(place, remote, tmp_path)


@pytest.fixture(autouse=True)
def _process_as_before() -> Iterator[None]:
    """Commands that stay set signal handlers and log levels of what is their own process elsewhere."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    loggers = [logging.getLogger(name) for name in ("coordinator", "contributor_client", "registry", "ratatouille")]
    levels = [logger.level for logger in loggers]
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


# -- the table


@dataclass(frozen=True)
class Row:
    """A mistake: what it does to the scene and which command meets it, and what the sentence must have."""

    makes: Callable[[Scene], Words]
    says: tuple[str, ...]


def _empty(scene: Scene) -> Path:
    (scene.folder / "empty").mkdir()
    return scene.folder / "empty"


def _without(data: Path, *parts: str) -> Path:
    shutil.rmtree(data.joinpath(*parts))
    return data


def _renamed(data: Path, old: str, new: str) -> Path:
    for domain in data.iterdir():
        (domain / old).rename(domain / new)
    return data


def _unreadable(scene: Scene) -> Path:
    data = scene.data
    (data / "day").chmod(0)
    return data


def _of_another_network(scene: Scene) -> Path:
    path = scene.folder / "other.safetensors"
    save_file({"conv.weight": np.zeros((2, 2), np.float32)}, path)
    return path


def _not_a_number(scene: Scene) -> Path:
    name, array = next((k, v) for k, v in load_file(scene.place.ground.foundation).items() if v.ndim == 4)
    array.flat[0] = np.nan
    return scene.weights(**{name: array})


def _of_nothing(command: str, _: Scene) -> Words:
    return [command, "winter", *(["--as", "stable"] if command == "release" else [])]


def _foundation(file: Path, *flags: object) -> Words:
    return ["foundation", file, "--architecture", "test_resnet", "--image-size", "32", *flags]


ROUND_ROWS = {
    "an unknown recipe in round.toml": Row(
        lambda scene: scene.round(recipes=["stew"]), ("no recipe 'stew'", "fusing, ratatouille")
    ),
    "an unknown recipe in --recipes": Row(
        lambda scene: scene.round("--recipes", "soup,stew"), ("no recipe 'stew'", "fusing, ratatouille")
    ),
    "an unknown analysis": Row(lambda scene: scene.round(analyses=["taste"]), ("no analysis 'taste'", "connectivity")),
    "a moving average that would begin after the last step": Row(
        lambda scene: scene.round(
            recipes=["moving_average"], protocol={"name": "emoji", "steps": 5, "average_from": 10}
        ),
        ("moving_average would average no step", "lower `average_from`"),
    ),
    "a trimmed mean of which nothing would remain": Row(
        lambda scene: scene.round(
            recipes=["trimmed_soup"], protocol={"name": "emoji", "runs": 4, "trimmed_share": 0.5}
        ),
        ("a trimmed mean of 4 that cuts off 0.5 at each end leaves none", "lower `trimmed_share`"),
    ),
    "no recipe at all in --recipes": Row(lambda scene: scene.round("--recipes", ","), ("recipes", "at least 1")),
    "a deadline that has passed": Row(lambda scene: scene.round("--deadline", "-5"), ("deadline", "greater than 0")),
    "an unknown target": Row(
        lambda scene: scene.round(target="cars"), ("task cars is not known", "ratatouille task list")
    ),
    "an unknown auxiliary task": Row(
        lambda scene: scene.round(auxiliaries=["cars"]), ("task cars is not known", "ratatouille task list")
    ),
    "a target as its own auxiliary": Row(
        lambda scene: scene.round(auxiliaries=["shapes"]), ("'shapes' is the target", "leave it out of `auxiliaries`")
    ),
    "a held-out domain that the task does not have": Row(
        lambda scene: scene.round(held_out=["dusk"]), ("no domain 'dusk' to hold out", "day, night, sketch")
    ),
    "every domain held out": Row(
        lambda scene: scene.round(held_out=["day", "night", "sketch"]), ("every domain", "leave at least one")
    ),
    "an unknown protocol": Row(
        lambda scene: scene.protocol(name="fast"), ("no protocol 'fast'", "domainbed, domainbed-reference, emoji")
    ),
    "an unknown value of a protocol": Row(
        lambda scene: scene.protocol(stepz=1), ("protocol emoji", "no key 'stepz'", "did you mean 'steps'?")
    ),
    "a value that a protocol cannot have": Row(
        lambda scene: scene.protocol(runs=0), ("protocol emoji", "runs", "greater than or equal to 1")
    ),
    "a foundation that is no revision": Row(
        lambda scene: scene.round(foundation="spring"), ("no alias or tag 'spring'", "ratatouille log")
    ),
    "a misspelt key in round.toml": Row(
        lambda scene: scene.round(recipe=["soup"]), ("round.toml", "no key 'recipe'", "did you mean 'recipes'?")
    ),
    "a round.toml that is not TOML": Row(
        lambda scene: ["round", "run", scene.file("round.toml", "name = spring")],
        ("round.toml", "not valid TOML", "line 1"),
    ),
    "a round.toml that is not text": Row(
        lambda scene: ["round", "plan", scene.file("round.toml", b"\xff\xfe")], ("round.toml", "UTF-8")
    ),
    "a round.toml that is a folder": Row(lambda scene: ["round", "plan", scene.folder], ("cannot be read",)),
    "no round.toml": Row(
        lambda scene: ["round", "run", scene.folder / "round.toml"], ("there is no round file", "init round")
    ),
    "an unknown round": Row(lambda scene: ["round", "status", "winter"], ("no round 'winter'", "round list")),
    "logs of an unknown round": Row(lambda scene: ["round", "logs", "winter"], ("no round 'winter'", "round list")),
    "an unknown round to cancel": Row(lambda scene: ["round", "cancel", "winter"], ("no round 'winter'",)),
    "a report of an unknown round": Row(lambda scene: ["round", "report", "winter"], ("no round 'winter'",)),
    "a round's prefix that fits two": Row(
        lambda scene: ["round", "status", "5ee"], ("several rounds begin with '5ee'", "type more")
    ),
    "a round to cancel that is over": Row(lambda scene: ["round", "cancel", "spring-1"], ("is done", "nothing")),
    "a rehearsal in the registry of a live coordinator": Row(
        lambda scene: scene.round("--rehearse", scene.node_file(scene.damaged())),
        ("a coordinator uses this registry", "a registry of its own"),
    ),
}

NODE_ROWS = {
    "an unknown task in node.toml": Row(
        lambda scene: scene.join(scene.data, task="cars"), ("task cars is not known", "ratatouille task list")
    ),
    "an empty data folder": Row(
        lambda scene: scene.join(_empty(scene)), ("holds no files", "one folder for each class")
    ),
    "a data folder that is not there": Row(
        lambda scene: scene.join("nowhere"), ("there is no folder", "nowhere", "set path")
    ),
    "a file in place of the data folder": Row(
        lambda scene: scene.join(scene.file("images", "x")), ("there is no folder", "images", "set path")
    ),
    "a data folder that may not be read": Row(lambda scene: scene.join(_unreadable(scene)), ("day", "cannot be read")),
    "a folder without images": Row(
        lambda scene: scene.join(scene.file("song.mp3", "x").parent), ("holds no images", ".mp3", ".png")
    ),
    "a class that a domain does not have": Row(
        lambda scene: scene.join(_without(scene.data, "night", "disc")),
        ("domain 'night'", "no image of 'disc'", 'missing_classes = "allow"'),
    ),
    "a corrupt image": Row(lambda scene: scene.join(scene.damaged()), ("broken.png", 'corrupt = "skip"')),
    "a label that is no class": Row(
        lambda scene: scene.join(_renamed(scene.data, "disc", "Scheibe")), ("'Scheibe'", "labels = {", "disc")
    ),
    "a label that is mapped to no class": Row(
        lambda scene: scene.join(_renamed(scene.data, "disc", "Scheibe"), labels={"Scheibe": "disk"}),
        ("maps 'Scheibe' to 'disk'", "its classes are 'disc'"),
    ),
    "a domain that the task does not have": Row(
        lambda scene: scene.join(scene.data / "day", domain="dusk"), ("'dusk'", "no domain of task 'shapes'")
    ),
    "a domain that the data does not have": Row(
        lambda scene: scene.join(scene.data, domains=["dusk"]), ("'dusk'", "its domains are 'day', 'night'")
    ),
    "a manifest with two labels for one image": Row(
        lambda scene: scene.join(
            scene.manifest(("day/disc/disc-000.png", "disc", "day"), ("day/disc/disc-000.png", "square", "day"))
        ),
        ("disc-000.png", "several classes for one image"),
    ),
    "a manifest with several labels in a cell": Row(
        lambda scene: scene.join(scene.manifest(("day/disc/disc-000.png", "disc;square", "day"))),
        ("'disc;square'", "several classes for one image"),
    ),
    "a manifest without labels": Row(
        lambda scene: scene.join(scene.manifest(("day/disc/disc-000.png",), columns=("file_name",))),
        ("images.csv", "label"),
    ),
    "a manifest that names no file": Row(
        lambda scene: scene.join(scene.manifest(("day/disc/lost.png", "disc", "day"))), ("lost.png",)
    ),
    "a manifest that is not there": Row(lambda scene: scene.join("lost.csv"), ("lost.csv",)),
    "the same images twice": Row(
        lambda scene: scene.join(
            "x", node={"data": [{"task": "shapes", "path": str(scene.data), "group": "stem"}] * 2}
        ),
        ("same images of task 'shapes' twice",),
    ),
    "a group that is no regular expression": Row(
        lambda scene: scene.join(scene.data, group="("), ("node.toml", "not a regular expression")
    ),
    "a secret that is not there": Row(
        lambda scene: scene.join(scene.data, fingerprint_secret_file="secret"), ("secret", "cannot be read")
    ),
    "a misspelt key in node.toml": Row(
        lambda scene: scene.join(scene.data, node={"devise": "cpu"}), ("node.toml", "did you mean 'device'?")
    ),
    "a misspelt key in a table of node.toml": Row(
        lambda scene: scene.join(scene.data, lables={"a": "disc"}), ("node.toml", "did you mean 'labels'?")
    ),
    "a node.toml that is not TOML": Row(
        lambda scene: ["node", "join", scene.file("node.toml", "name 'ann'")], ("node.toml", "not valid TOML")
    ),
    "a node's folder that is a file": Row(
        lambda scene: [*scene.join(scene.data), "--folder", scene.file("state", "x")],
        ("state", "cannot be used", "check the path"),
    ),
}

FOUNDATION_ROWS = {
    "an unknown foundation": Row(
        lambda scene: ["foundation", "lost.safetensors"], ("no foundation 'lost.safetensors'", "efficientnet-lite0")
    ),
    "an unknown architecture": Row(
        lambda scene: ["foundation", scene.weights(), "--architecture", "test_resnett"],
        ("no network 'test_resnett'", "did you mean test_resnet"),
    ),
    "a file without its architecture": Row(
        lambda scene: ["foundation", scene.weights()], ("name the network", "resnet50")
    ),
    "foundation weights of another architecture": Row(
        lambda scene: _foundation(_of_another_network(scene)),
        ("not weights of test_resnet", "tensor", "name the network"),
    ),
    "NaN in foundation weights": Row(lambda scene: _foundation(_not_a_number(scene)), ("tensor", "NaN")),
    "a pickle": Row(
        lambda scene: _foundation(scene.file("weights.pth", b"\x80\x02.")), ("weights.pth", "safetensors file")
    ),
}

READ_ROWS = {
    **{
        f"{command} of an unknown revision": Row(
            partial(_of_nothing, command), ("no alias or tag 'winter'", "ratatouille log")
        )
        for command in ("show", "lineage", "verify", "release", "pull")
    },
    "what is no revision": Row(lambda scene: ["show", "a b"], ("'a b' is no revision", "alias")),
    "a prefix that no id has": Row(
        lambda scene: ["show", "0" * 12], ("no version's id begins with 000000000000", "ratatouille log")
    ),
    "a prefix that two ids have": Row(
        lambda scene: ["show", scene.place.prefix], ("several versions begin with", "type more of the id")
    ),
    "a parent that there is not": Row(lambda scene: ["show", "latest~7"], ("latest~7 does not exist", "no parent")),
    "the log of an unknown task": Row(lambda scene: ["log", "--task", "cars"], ("task cars is not known",)),
    "the log of an unknown kind": Row(lambda scene: ["log", "--kind", "soup"], ("'soup'", "fine_tune")),
    "the log of an unknown round": Row(lambda scene: ["log", "--round", "winter"], ("no round 'winter'",)),
    "an alias like an id": Row(
        lambda scene: ["release", "latest", "--as", "beef"], ("beef could be the beginning of an id",)
    ),
    "an unknown remote": Row(lambda scene: ["log", "--remote", "theirs"], ("no remote 'theirs'", "remote add")),
    "a remote that is no address": Row(lambda scene: ["log", "--remote", "http://x"], ("http://x", "grpc://")),
}

TASK_ROWS = {
    "a task.toml that is not TOML": Row(
        lambda scene: ["task", "add", scene.file("task.toml", "name = ")], ("task.toml", "not valid TOML")
    ),
    "a misspelt key in task.toml": Row(
        lambda scene: ["task", "add", scene.file("task.toml", 'name = "x"\nclases = ["a", "b"]')],
        ("task.toml", "did you mean 'classes'?"),
    ),
    "another definition of a known task": Row(
        lambda scene: [
            "task",
            "add",
            scene.file("task.toml", 'name = "shapes"\nkind = "target"\nclasses = ["a", "b"]\ndomains = ["day"]'),
        ],
        ("task shapes is defined otherwise", "another name"),
    ),
}


def _push(path: Path, *options: object) -> Words:
    return ["push", path, "--from", "latest", *options]


def _folder(scene: Scene, *names: str) -> Path:
    folder = scene.folder / "checkpoint"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"\x80\x02.")
    return folder


PULL_ROWS = {
    "a pull to where something else is": Row(
        lambda scene: ["pull", "latest", scene.file("notes.txt", "x").parent],
        ("is there and holds something else", "name another folder"),
    ),
    "a folder to verify that pull did not write": Row(
        lambda scene: ["verify", f"{scene.folder}/"], ("was not written by `ratatouille pull`",)
    ),
    "a pickle to push": Row(
        lambda scene: _push(scene.file("weights.pth", b"\x80\x02.")), ("weights.pth' is a pickle", "safetensors")
    ),
    "a folder of pickles to push": Row(
        lambda scene: _push(_folder(scene, "pytorch_model.bin")), ("pytorch_model.bin' is a pickle", "safetensors")
    ),
    "a folder without weights to push": Row(
        lambda scene: _push(_folder(scene, "notes.txt")), ("has no model.safetensors", "name the file")
    ),
    "a checkpoint that is not there": Row(lambda scene: _push(scene.folder / "lost"), ("there is no file", "lost")),
    "weights of another network to push": Row(
        lambda scene: _push(_of_another_network(scene)), ("does not hold a network test_resnet", "tensor")
    ),
    "weights of half precision to push": Row(
        lambda scene: _push(scene.weights(**{"bn1.weight": np.ones(32, np.float16)})), ("is F16", "save the float32")
    ),
    "a featurizer that is pushed for a task": Row(
        lambda scene: _push(scene.weights(), "--task", "shapes"), ("no classifier for task shapes", "without --task")
    ),
    "a checkpoint for an unknown task": Row(
        lambda scene: _push(scene.weights(), "--task", "cars"), ("task cars is not known", "ratatouille task list")
    ),
    "a message that is too long": Row(
        lambda scene: _push(scene.weights(), "-m", "x" * 501), ("the message has 501 characters", "500 are the most")
    ),
}

ROWS = {**PULL_ROWS, **ROUND_ROWS, **NODE_ROWS, **FOUNDATION_ROWS, **READ_ROWS, **TASK_ROWS}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input_ends_in_one_sentence_and_writes_nothing(name: str, scene: Scene) -> None:
    if name == "a data folder that may not be read" and os.geteuid() == 0:
        pytest.skip("nothing is unreadable for root")
    words = ROWS[name].makes(scene)
    before = scene.place.written()
    call(*words).refused(*ROWS[name].says)
    assert scene.place.written() == before


# -- what goes on


@pytest.fixture
def without_weights(tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry with the tasks alone, and its service: there is nothing that a node could try its device with."""
    with closing(LocalRegistry(tmp_path / "without_weights")) as registry:
        for task in synthetic_tasks().values():
            registry.definitions.define_task(task)
        registry.work.announce(COORDINATOR.seal(Announcement(fleet=f"127.0.0.1:{free_port()}")))
    server = RegistryServer(tmp_path / "without_weights")
    server.start()
    yield server
    server.stop(grace=5)


@pytest.mark.parametrize("served", [False, True], ids=["folder", "service"])
def test_corrupt_images_that_are_skipped_are_listed(
    place: Place, tmp_path: Path, without_weights: RegistryServer, served: bool
) -> None:
    scene = Scene(place, "", tmp_path)
    file = scene.node_file(scene.damaged(), corrupt="skip")
    checked = call("check", file, "--remote", without_weights.address if served else tmp_path / "without_weights")
    assert checked.code == 0
    (note,) = [line for line in checked.out.splitlines() if line.startswith("note: ") and "skipped" in line]
    assert "skipped 1 image that cannot be read" in note
    assert str(scene.folder / "data" / "day" / "disc" / "broken.png") in note


def test_a_node_starts_without_the_images_that_it_skips_and_lists_them(
    place: Place, tmp_path: Path, without_weights: RegistryServer
) -> None:
    scene = Scene(place, "", tmp_path)
    words = [*scene.join(scene.damaged(), corrupt="skip"), "--remote", without_weights.address]
    command = [sys.executable, "-P", "-m", "ratatouille.cli.main", *map(str, words)]
    environment = {**os.environ, "RATATOUILLE_HOME": str(tmp_path / "home"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as node:
        assert node.stdout is not None
        said: list[str] = []
        for line in node.stdout:
            said.append(line)
            if "the work lane is deaf" in line:  # nobody hands out orders here: all else of the node is at work
                break
        node.terminate()
        rest = node.stdout.read()
    assert any("skipped 1 image that cannot be read" in line and "broken.png" in line for line in said)
    assert "the work lane is deaf" in said[-1]
    assert "has left" in rest
    assert node.returncode == 0


# -- weights that the registry refuses


def test_a_training_that_moved_batchnorm_statistics_is_rejected_with_the_remedy(world: World) -> None:
    start = world.probed()
    moved = featurizer(1, **{"bn.running_mean": np.array([1, 2, 4], np.float32)})
    versions = world.registry.versions.log()
    with pytest.raises(Refusal, match=r"buffer bn\.running_mean moved .*; train with BatchNorm in eval mode"):
        world.work(*world.fine_tune(start, 1, body=moved))
    assert world.registry.versions.log() == versions
    last = world.registry.rounds.events()[-1]
    assert last.kind == "rejected"
    assert "train with BatchNorm in eval mode" in last.text


def test_where_there_is_no_room_nothing_is_stored(scene: Scene) -> None:
    fresh = {
        name: array + np.float32(1) if array.ndim == 4 else array
        for name, array in load_file(scene.place.ground.foundation).items()
    }
    scene.place.registry.maintenance.configure("reserve_bytes", 10**18)
    try:
        before = scene.place.written()
        call(*_foundation(scene.weights(**fresh))).refused("no room for", "its maintainers must make some")
        assert scene.place.written() == before
    finally:
        scene.place.registry.maintenance.configure("reserve_bytes", None)


# -- nobody answers, or somebody else does


def _everything_that_asks(scene: Scene) -> dict[str, Words]:
    task = 'name = "x"\nkind = "target"\nclasses = ["a", "b"]\ndomains = ["day"]'
    asking: dict[str, Words] = {
        "round run": scene.round(),
        "round plan": ["round", "plan", scene.folder / "round.toml"],
        "node join": scene.join(scene.data),
        "foundation": _foundation(scene.place.ground.foundation),
        "task add": ["task", "add", scene.file("task.toml", task)],
        "release": ["release", "latest", "--as", "stable"],
        "show": ["show", "latest"],
        "pull": ["pull", "latest", scene.folder / "pulled"],
        "push": ["push", scene.weights(), "--from", "latest"],
        "round status": ["round", "status", "spring-1"],
    }
    for name in ("log", "task list", "round list", "node status", "coordinator status"):
        asking[name] = list(name.split())
    return asking


def test_a_registry_that_does_not_answer_is_named(place: Place, tmp_path: Path) -> None:
    scene = Scene(place, NOWHERE, tmp_path)
    for words in _everything_that_asks(scene).values():
        call(*words, "--remote", NOWHERE).refused(f"no registry answers at {NOWHERE}", "--remote")


def test_a_folder_without_a_registry_is_named_and_does_not_become_one(place: Place, tmp_path: Path) -> None:
    scene = Scene(place, "", tmp_path)
    for name, words in _everything_that_asks(scene).items():
        if name not in ("foundation", "task add"):  # with these a registry begins
            call(*words, "--remote", tmp_path / "typo").refused(
                f"no registry in '{tmp_path / 'typo'}'", "check the path"
            )
            assert not (tmp_path / "typo").exists(), name


def test_a_node_says_when_only_the_coordinator_is_missing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contributor_client.node._PATIENCE", 0.0)
    fleet = scene.place.registry.info().fleet
    scene.place.registry.work.announce(COORDINATOR.seal(Announcement(fleet=None)))
    try:
        call(*scene.join(scene.data)).refused("no coordinator is up", "ratatouille coordinator up")
    finally:
        scene.place.registry.work.announce(COORDINATOR.seal(Announcement(fleet=fleet)))


def _shell(home: Path, *words: object) -> Called:
    """A command in a process of its own, for those that listen."""
    command = [sys.executable, "-P", "-m", "ratatouille.cli.main", *map(str, words)]
    environment = {**os.environ, "RATATOUILLE_HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    return Called(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        "coordinator up --port {taken} --superlink-port {free}",
        "coordinator up --port {free} --superlink-port {taken}",
        "registry serve --port {taken}",
    ],
)
def test_a_port_that_is_taken_is_named_and_no_registry_is_made(words: str, home: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        line = words.format(taken=taken, free=free_port())
        called = _shell(home, *line.split(), "--folder", tmp_path / "new")
    called.refused(f"port {taken}", "taken", "port")
    assert [path.name for path in tmp_path.rglob("*") if path.name != "lock"] in ([], ["new"])


def test_a_rehearsal_on_data_that_cannot_be_used_names_the_file(scene: Scene) -> None:
    words = scene.round("--rehearse", scene.node_file(scene.damaged()))
    fleet = scene.place.registry.info().fleet
    scene.place.registry.work.announce(COORDINATOR.seal(Announcement(fleet=None)))
    try:
        call(*words).refused("broken.png", 'corrupt = "skip"')
    finally:
        scene.place.registry.work.announce(COORDINATOR.seal(Announcement(fleet=fleet)))
