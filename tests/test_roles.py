"""Installation by role: the coordinator works where torch is absent, and a reader where everything heavy is.

The coordinator's commands run in an environment of their own, `.venv-light`, which `make test` makes from the extra
`[coordinator]` alone. A reader's commands run in this one with the imports refused that a plain install lacks.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ratatouille.home import read_ports
from ratatouille.processes import free_port
from registry.opening import open_registry
from tests.coordinator.federation import wait_until
from tests.ratatouille.cli.call import Called, call
from tests.ratatouille.cli.call import home as home
from tests.registry.checkpoint import saved
from tests.registry.commands.conftest import make_history, make_world
from tests.registry.conftest import Process
from tests.registry.world import featurizer, head

LIGHT = Path(__file__).parent.parent / ".venv-light" / "bin" / "python"
TASK = 'name = "pets"\nkind = "target"\nclasses = ["cat", "dog"]\ndomains = ["photo"]\n'
NODE = 'name = "ann"\n[[data]]\ntask = "pets"\npath = "pets"\n'


# -- the coordinator, without torch


@pytest.fixture(scope="module")
def light() -> str:
    """The Python of the coordinator's environment."""
    if not LIGHT.exists():
        pytest.fail(f"'{LIGHT}' is not there: it is an environment without torch; run `make test`, which makes it")
    return str(LIGHT)


def _command(python: str, *words: object) -> list[str]:
    return [python, "-P", "-m", "ratatouille.cli.main", *map(str, words)]


def _run(command: list[str], home: Path) -> Called:
    environment = {**os.environ, "RATATOUILLE_HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home.parent, timeout=120)
    return Called(done.returncode, done.stdout, done.stderr)


def test_the_coordinators_environment_has_flower_and_a_database_and_no_torch(light: str, home: Path) -> None:
    packages = ("flwr", "sqlalchemy", "alembic", "torch", "torchvision", "timm", "PIL", "matplotlib", "scipy")
    script = "import importlib.util, sys; print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name)))"
    assert _run([light, "-P", "-c", script, *packages], home).out.split() == ["flwr", "sqlalchemy", "alembic"]
    called = _run([light, "-P", "-c", "import torch"], home)
    assert called.code == 1
    assert "No module named 'torch'" in called.err


def test_help_and_tables_need_no_torch(light: str, home: Path) -> None:
    for words in (
        ["--help"],
        ["recipes"],
        ["protocols"],
        ["round", "run", "--help"],
        ["init", "round", str(home.parent)],
    ):
        called = _run(_command(light, *words), home)
        assert (called.code, called.err) == (0, ""), words
        assert called.out


class Coordinator:
    """`coordinator up` in the coordinator's environment."""

    def __init__(self, light: str, folder: Path) -> None:
        self.light = light
        self.home = folder / "home"
        port = free_port()
        self.address = f"grpc://127.0.0.1:{port}"
        command = _command(light, "coordinator", "up", "--port", port, "--superlink-port", free_port())
        command += ["--web-port", "0"]
        self.log = folder / "coordinator.log"
        environment = {**os.environ, "RATATOUILLE_HOME": str(self.home)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)

    def call(self, *words: object) -> Called:
        """A command there, which asks this coordinator."""
        return _run(_command(self.light, *words, "--remote", self.address), self.home)

    def is_up(self) -> bool:
        """Whether nodes could join."""
        assert self.process.poll() is None, self.log.read_text()
        with closing(open_registry(self.address, cache=self.home / "cache")) as registry:
            return registry.info().fleet is not None


@pytest.fixture(scope="module")
def coordinator(light: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coordinator]:
    """One that runs while the tests of this file do."""
    coordinator = Coordinator(light, tmp_path_factory.mktemp("light"))
    try:
        wait_until(coordinator.is_up, 90, "the coordinator is up")
        yield coordinator
    finally:
        if coordinator.process.poll() is None:
            coordinator.process.send_signal(signal.SIGTERM)
            coordinator.process.wait(60)


def test_a_coordinator_defines_tasks_and_answers_without_torch(coordinator: Coordinator, tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(TASK)
    assert coordinator.call("task", "add", tmp_path / "task.toml", "--json").json["new"] is True
    assert [task["name"] for task in coordinator.call("task", "list", "--json").json["tasks"]] == ["pets"]
    assert coordinator.call("log", "--json").json == {"versions": [], "next": None}
    assert coordinator.call("round", "list", "--json").json == {"rounds": [], "next": None}
    assert coordinator.call("node", "status", "--json").json == {"nodes": [], "resting": []}
    status: dict[str, Any] = coordinator.call("coordinator", "status", "--json").json
    assert (status["remote"], status["nodes"], status["rounds"]) == (coordinator.address, 0, [])


def test_commands_in_the_home_of_a_coordinator_ask_where_it_listens(coordinator: Coordinator) -> None:
    command = _command(coordinator.light, "coordinator", "status", "--json")
    assert _run(command, coordinator.home).json["remote"] == coordinator.address
    said = coordinator.log.read_text()
    assert f"`ratatouille node join --remote {coordinator.address} node.toml`" in said
    assert "other commands" not in said  # they need no address
    kept = read_ports(coordinator.home / "coordinator")  # for the next start
    assert (kept.registry, kept.web) == (urlsplit(coordinator.address).port, 0)


def test_a_coordinator_without_torch_shows_the_web_page(coordinator: Coordinator) -> None:
    address: str = coordinator.call("coordinator", "status", "--json").json["info"]["web"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{address}live", timeout=60) as answer:
        assert b"No node is here." in answer.read()
    assert f"web page: {address}" in coordinator.log.read_text()


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("foundation efficientnet-lite0", "node"),
        ("node join node.toml", "node"),
        ("check node.toml", "node"),
        ("evaluate latest --data pets", "node"),
        ("best --data pets", "node"),
        ("pull latest", "node"),
    ],
)
def test_work_on_weights_or_images_names_the_extra_to_install(
    words: str, extra: str, coordinator: Coordinator, tmp_path: Path
) -> None:
    (tmp_path / "node.toml").write_text(NODE)
    called = coordinator.call(*words.replace("node.toml", str(tmp_path / "node.toml")).split())
    called.refused("which is not installed", f"pip install 'model-ratatouille[{extra}]'")
    assert not (coordinator.home / "nodes").exists()
    assert not (coordinator.home / "key").exists()


def test_the_demo_names_its_extra(light: str, home: Path) -> None:
    _run(_command(light, "demo"), home).refused("which is not installed", "pip install 'model-ratatouille[demo]'")
    assert not (home.parent / "ratatouille-demo").exists()


def test_a_coordinator_without_torch_is_stopped_by_its_command(coordinator: Coordinator) -> None:
    called = _run(_command(coordinator.light, "coordinator", "down"), coordinator.home)
    assert (called.code, called.err) == (0, "")
    assert coordinator.process.wait(60) == 0
    coordinator.call("coordinator", "status").refused("no registry answers")


# -- a reader, without anything heavy

READER = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
from ratatouille.cli.main import main
main()
"""
ABSENT = {"sqlalchemy", "alembic", "flwr", "torch", "torchvision", "timm", "PIL", "matplotlib", "scipy"}


def _read(home: Path, *words: object) -> Called:
    """A command where a plain install is all there is."""
    return _run([sys.executable, "-P", "-c", READER.format(absent=ABSENT), *map(str, words)], home)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A service before a registry with a foundation, a head, two trainings and their average."""
    folder = tmp_path_factory.mktemp("history")
    world = make_world(folder)
    make_history(world)
    world.registry.close()
    process = Process(folder / "registry")
    yield process
    process.end(signal.SIGKILL)


@pytest.mark.parametrize("words", ["log", "log --json", "show latest", "lineage latest", "verify latest"])
def test_a_plain_install_reads_a_history_from_a_service(words: str, history: Process, home: Path) -> None:
    read = _read(home, *words.split(), "--remote", history.url)
    assert (read.code, read.err) == (0, "")
    assert read == call(*words.split(), "--remote", history.url)
    if "--json" in words:
        assert len(json.loads(read.out)["versions"]) == 5


def test_a_plain_install_fetches_weights_from_a_service(history: Process, home: Path) -> None:
    script = READER.format(absent=ABSENT).replace("from ratatouille.cli.main import main\nmain()", "")
    script += "from registry.opening import open_registry\nregistry = open_registry(sys.argv[1])\n"
    script += "version = registry.versions.show('latest').entry.version\n"
    script += "print(registry.weights.fetch(version.featurizer).name, registry.weights.fetch(version.head).name)\n"
    fetched = _run([sys.executable, "-P", "-c", script, history.url], home)
    assert (fetched.code, fetched.err) == (0, "")
    (entry,) = call("log", "-n", 1, "--remote", history.url, "--json").json["versions"]
    assert fetched.out.split() == [entry["version"]["featurizer"], entry["version"]["head"]]


def test_a_plain_install_pulls_parts_verifies_them_and_pushes_a_checkpoint(
    history: Process, home: Path, tmp_path: Path
) -> None:
    pulled = _read(home, "pull", "latest", tmp_path / "pets", "--parts", "--remote", history.url)
    assert (pulled.code, pulled.err) == (0, "")
    verified = _read(home, "verify", tmp_path / "pets", "--json")
    assert (verified.code, [one["ok"] for one in verified.json]) == (0, [True])
    saved(tmp_path, featurizer(9), head(9))
    words = ("push", tmp_path / "saved", "--task", "pets", "--from", "latest", "--dry-run", "--remote", history.url)
    pushed = _read(home, *words)
    assert (pushed.code, pushed.err) == (0, "")
    assert "nothing was pushed" in pushed.out


def test_a_plain_install_says_what_pull_and_load_need(history: Process, home: Path, tmp_path: Path) -> None:
    _read(home, "pull", "latest", tmp_path / "pets", "--remote", history.url).refused(
        "needs torch", "pip install 'model-ratatouille[node]'", "--parts"
    )
    assert not (tmp_path / "pets").exists()
    assert not (home / "cache").exists() or not any((home / "cache" / "blobs").rglob("?" * 64))
    script = READER.format(absent=ABSENT).replace("from ratatouille.cli.main import main\nmain()", "")
    script += "import ratatouille\nfrom ratatouille.errors import Refusal\n"
    script += "try:\n    ratatouille.load('latest', sys.argv[1])\nexcept Refusal as refusal:\n    print(refusal)\n"
    done = _run([sys.executable, "-P", "-c", script, history.url], home)
    assert "ratatouille.load needs" in done.out, done
    assert "pip install 'model-ratatouille[node]'" in done.out


def test_a_plain_install_says_which_extra_opens_a_folder(history: Process, home: Path) -> None:
    _read(home, "log", "--remote", history.folder).refused(
        "needs sqlalchemy, which is not installed", "pip install 'model-ratatouille[coordinator]'"
    )
