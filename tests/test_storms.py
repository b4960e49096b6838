"""Storms of signals: every service and every command that waits ends, whatever comes in what order."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from coordinator.rehearsal import RehearsalSite, offer_all
from ratatouille.exchange.membership import Announcement
from ratatouille.exchange.signing import Signer
from ratatouille.processes import free_port, reaper
from ratatouille.tasks.node import read_node_settings
from registry.opening import open_registry
from registry.owner_key import FOLDER as OWNER_KEYS
from tests.coordinator.federation import NODES, Ground, wait_until

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SEEDS = range(3)
ENDED_SECONDS = 120
"""What has not ended by then hangs. Services end sooner, but a busy machine may be slow."""


@dataclass(frozen=True)
class Scene:
    """A registry that a service serves, and settings files for whoever uses it."""

    folder: Path
    ground: Ground
    address: str
    offered: str
    """The fingerprint of the data that the node `chiara` offers."""
    rehearsed: Path
    """A registry without a service, for rehearsals."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("storms")
    ground, port = Ground(folder / "ground"), free_port()
    command = [sys.executable, "-P", "-m", "registry.server", "--folder", str(folder / "registry")]
    owner = pytest.MonkeyPatch()
    owner.setenv("RATATOUILLE_HOME", str(folder / "owner"))
    service = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        registry = open_registry(f"grpc://127.0.0.1:{port}", cache=folder / "cache")
        wait_until(lambda: bool(registry.info()), 60, "the registry answers")
        ground.enter(registry)
        nodes = tuple(read_node_settings(ground.node_file(name)) for name in NODES)
        offer_all(registry, RehearsalSite("", nodes, folder / "offered"))
        coordinator = Signer.open(folder / "coordinator.key")
        (offered,) = (one.holdings[0].fingerprint for one in registry.work.offers() if one.name == "chiara")
        registry.work.announce(coordinator.seal(Announcement(fleet=f"127.0.0.1:{free_port()}")))
        registry.close()
        rehearsed = open_registry(folder / "rehearsed")
        ground.enter(rehearsed)
        rehearsed.close()
        yield Scene(folder, ground, f"grpc://127.0.0.1:{port}", offered, folder / "rehearsed")
    finally:
        owner.undo()
        service.terminate()
        service.wait(60)


@dataclass(frozen=True)
class Service:
    """A command that runs until it is told to end."""

    words: str
    """What is run; {…} are places and ports of this run."""
    ready: str
    """What its output, or one of its logs, says once it is at its work."""


COMMAND, LAUNCH = "-m ratatouille.cli.main ", "-m ratatouille.launch -m "
SERVICES = {
    "coordinator up": Service(
        COMMAND + "coordinator up --folder {folder}/state --port {port} --superlink-port {other} --web-port 0",
        "the coordinator is up",
    ),
    "node join": Service(COMMAND + "node join {node} --remote {remote} --folder {folder}/state", "worker ready"),
    "registry serve": Service(
        COMMAND + "registry serve --folder {folder}/state --port {port} --web-port 0", "web page"
    ),
    "registry web": Service(COMMAND + "registry web --remote {remote} --web-port 0", "web page"),
    "the registry's process": Service(
        LAUNCH + "registry.server --folder {folder}/state --port {port}", "only its user may write"
    ),
    "the worker": Service(
        LAUNCH
        + "contributor_client.worker --settings {node} --folder {folder}/state --remote {remote} --offered {offered}",
        "worker ready",
    ),
    "the reaper": Service(
        f"-I -S {reaper.__file__} {os.getpid()} 1 {{folder}}/log 100000 "
        f"{sys.executable} -c print('at\\x20work',flush=True);import\\x20time;time.sleep(600)",
        "at work",
    ),
    "round run": Service(COMMAND + "round run {round} --remote {remote}", "runs trained"),
    "a rehearsal": Service(
        COMMAND + "round run {round} --remote {local} --rehearse {node} --rehearse {auxiliary} --rehearse {other_node}",
        "rehearsal:",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_ends_whatever_signals_come(name: str, seed: int, scene: Scene, tmp_path: Path) -> None:
    chance = random.Random(f"{name} {seed}")
    service = SERVICES[name]
    process = start(service, scene, tmp_path)
    family: list[psutil.Process] = []
    try:
        if seed == 0:  # while it is still starting, at some moment
            time.sleep(chance.uniform(0.0, 1.5))
        else:
            wait_until(lambda: ready(service, process, tmp_path), 90, f"{name} is ready")
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for _ in range(chance.randint(2, 40)):
            with suppress(ProcessLookupError):
                process.send_signal(chance.choice(SIGNALS))
            time.sleep(chance.choice((0.0, 0.0, 0.001, 0.02, 0.3)))
        process.wait(ENDED_SECONDS)
    finally:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(family, 60)
    assert not alive


def start(service: Service, scene: Scene, folder: Path) -> subprocess.Popen[bytes]:
    places = {
        "folder": folder,
        "port": free_port(),
        "other": free_port(),
        "remote": scene.address,
        "offered": scene.offered,
        "local": scene.rehearsed,
        "node": scene.ground.node_file("chiara"),
        "auxiliary": scene.ground.node_file("anna"),
        "other_node": scene.ground.node_file("elena"),
        "round": scene.ground.round,
    }
    words = [word.format(**places).replace("\\x20", " ") for word in service.words.split(" ")]
    environment = {**os.environ, "RATATOUILLE_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    shutil.copytree(scene.folder / "owner" / OWNER_KEYS, folder / "home" / OWNER_KEYS)  # the scene's service is theirs
    with (folder / "output.log").open("wb") as output:
        # A session of its own: a closed terminal must not be ours.
        return subprocess.Popen(
            [sys.executable, "-P", *words], env=environment, stdout=output, stderr=output, start_new_session=True
        )


def ready(service: Service, process: subprocess.Popen[bytes], folder: Path) -> bool:
    logs = "".join(file.read_text(errors="replace") for file in folder.rglob("*.log*") if file.is_file())
    logs += (folder / "log").read_text() if (folder / "log").exists() else ""
    assert process.poll() is None, logs
    return service.ready in logs
