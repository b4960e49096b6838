from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import registry.web
from ratatouille.processes import free_port
from registry.opening import open_registry
from registry.server import RegistryServer
from tests.ratatouille.cli.call import call, loaded_by
from tests.registry.commands.conftest import make_history, make_world

HEAVY = {"torch", "flwr", "sqlalchemy", "alembic", "timm", "PIL"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with a history; the tests of this file only add to it."""
    place = tmp_path_factory.mktemp("served")
    world = make_world(place)
    make_history(world)
    world.registry.close()
    return place / "registry"


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[str]:
    """`ratatouille registry serve`, until the tests of this file have run."""
    command = [sys.executable, "-m", "ratatouille.cli.main", "registry", "serve", "--folder", str(folder)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    ports = ["--port", "0", "--web-port", "0"]
    process = subprocess.Popen([*command, *ports], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    said = process.stdout.readline() + process.stdout.readline()
    assert "web page at http://127.0.0.1:" in said
    yield next(word for word in said.split() if word.startswith("grpc://"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    process.stdout.close()


@pytest.fixture(scope="module")
def services_home(service: str) -> str:
    """The home in which the service was started."""
    return os.environ["RATATOUILLE_HOME"]


@pytest.fixture
def owners_home(services_home: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in the home of the service: a home of their own would make them strangers, who only read."""
    monkeypatch.setenv("RATATOUILLE_HOME", services_home)


def test_commands_say_the_same_of_a_service_as_of_its_folder(folder: Path, service: str) -> None:
    for words in (
        ["log"],
        ["log", "--round", "spring", "--json"],
        ["show", "latest"],
        ["show", "latest~1", "--json"],
        ["lineage", "latest"],
        ["lineage", "latest", "--json"],
        ["verify", "latest", "foundation"],
        ["task", "list"],
    ):
        there, here = call(*words, "--remote", service), call(*words, "--remote", folder)
        assert there == here
        assert (there.code, there.err) == (0, "")
    for words in (["show", "nothing"], ["log", "--task", "cars"], ["log", "--round", "autumn"]):
        assert call(*words, "--remote", service) == call(*words, "--remote", folder)
        call(*words, "--remote", service).refused(words[-1])


@pytest.mark.usefixtures("owners_home")
def test_a_release_over_grpc_moves_the_alias(folder: Path, service: str) -> None:
    assert call("release", "latest~1", "--as", "stable", "--remote", service).code == 0
    registry = open_registry(folder)
    assert registry.releases.aliases()["stable"] == registry.versions.resolve("latest~1")
    registry.close()


@pytest.mark.usefixtures("owners_home")
def test_reading_from_a_service_imports_nothing_heavy(service: str) -> None:
    others = (
        ["log"],
        ["show", "latest"],
        ["lineage", "latest"],
        ["verify", "latest"],
        ["release", "latest", "--as", "stable"],
        ["task", "list"],
    )
    assert not loaded_by(*([*words, "--remote", service] for words in others)) & HEAVY


def test_a_service_that_is_not_there_is_said_in_one_sentence() -> None:
    address = f"grpc://127.0.0.1:{free_port()}"
    for words in (["log"], ["show", "latest"], ["lineage", "latest"], ["verify", "latest"], ["task", "list"]):
        call(*words, "--remote", address).refused(address)


def test_a_port_that_is_taken_is_said_in_one_sentence(service: str, tmp_path: Path) -> None:
    port = service.rpartition(":")[2]
    call("registry", "serve", "--folder", tmp_path / "other", "--port", port).refused(port)


def test_the_service_says_where_its_web_page_is_and_shows_it(service: str) -> None:
    info = call("coordinator", "status", "--json", "--remote", service).json["info"]
    assert "spring" in page(info["web"])
    called = call("coordinator", "status", "--remote", service)
    assert f"web page: {info['web']}" in called.out


def test_the_page_alone_shows_a_service_and_a_folder_alike_and_ends_with_a_signal(service: str, folder: Path) -> None:
    texts = []
    for remote in (service, str(folder)):
        command = [sys.executable, "-m", "ratatouille.cli.main", "registry", "web", "--remote", remote]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen([*command, "--web-port", "0"], stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        said = process.stdout.readline()
        assert "read-only, for this machine only" in said
        texts.append(page(next(word for word in said.split() if word.startswith("http://"))))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()
    assert "spring" in texts[0]
    assert texts[0] == texts[1]


def test_a_page_of_a_registry_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    address = f"grpc://127.0.0.1:{free_port()}"
    call("registry", "web", "--remote", address, "--web-port", "0").refused(address)
    call("registry", "web", "--remote", tmp_path / "nothing", "--web-port", "0").refused("there is no registry")


def test_without_its_packages_the_service_runs_and_says_what_the_page_needs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.web, "NEEDED", ("jinja2", "a_package_that_is_nowhere"))
    service = RegistryServer(folder)
    assert service.show(0) == "there is no web page: it needs `pip install 'model-ratatouille[web]'`"
    service.stop(grace=0)
    call("registry", "web", "--remote", folder).refused("model-ratatouille[web]")


def page(address: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=20) as answer:
        return str(answer.read().decode())
