"""A node's work lane: the process that takes orders from the coordinator, and whether orders can reach them.

The SuperNode talks to the coordinator and keeps one message. Flower runs nothing itself (`--isolation process`) and
hands tasks only to programs that know the secret in the node's folder: our executor, a thread of the same process. It
is restarted on any exit: a SuperNode ends with code 0 when the coordinator forgot it, and with 1 when its key is still
taken by a predecessor that was killed. The worker is a second process, which `node` starts.

The SuperNode asks the coordinator for messages every few seconds and sends a sign of life every twenty; its client
notes each answer and each failure in a small file. The node reads the file to say whether orders can reach it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import tomli_w

from contributor_client.paths import NODE_KEY, WORKER_SOCKET
from ratatouille.processes import Child, Program, environment_with_scripts, free_port, module
from ratatouille.processes.ports import LOOPBACK
from ratatouille.processes.secret import Secret

LANE = "RATATOUILLE_LANE"
"""The environment variable that names the file with the lane's state."""
FRESH_SECONDS = 60.0
"""An answer counts for so long: at work there is one about every twenty seconds."""
_NOTE_SECONDS = 1.0
"""Time between two notes of an answer."""
PATIENCE_SECONDS = 10.0
"""A lane that does not answer for so long is called deaf: orders cannot reach the node."""
_AGAIN_SECONDS = 60.0
"""Time until the owner is informed of the same trouble again."""


@dataclass(frozen=True)
class SuperNodeSettings:
    """Settings of a SuperNode: where it keeps its state, and how it reaches the coordinator."""

    folder: Path
    superlink: str
    """host:port of the SuperLink."""
    node_key: Path
    """File with the node's private key; made at the first use."""
    worker_socket: Path
    accepted_bundles: tuple[str, ...] = ()
    """Hashes of the bundles to accept; empty means ours (`exchange.bundle.accepted_bundles`)."""

    @property
    def lane(self) -> Path:
        """The file in which the SuperNode notes whether the coordinator answers."""
        return self.folder / "flower" / "lane.json"


class SuperNode:
    """The running SuperNode with its executor. When this process ends, even by kill -9, it ends too."""

    def __init__(self, settings: SuperNodeSettings) -> None:
        self.settings = settings
        # A fixed port would allow one node a machine. Should another program take it before the SuperNode does, the
        # node has to be started again.
        self.child = Child(_supernode(settings, free_port()))

    def start(self) -> SuperNode:
        """Start it and return at once; the SuperNode goes on trying until the coordinator answers."""
        self.child.start()
        return self

    def stop(self) -> None:
        """End it; it signs off at the coordinator."""
        self.child.stop()


def _supernode(settings: SuperNodeSettings, port: int) -> Program:
    home = settings.folder / "flower"
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "node.toml"
    values = {NODE_KEY: str(settings.node_key.resolve()), WORKER_SOCKET: str(settings.worker_socket.absolute())}
    configuration.write_text(tomli_w.dumps(values), encoding="utf-8")
    command = [*module("contributor_client.flower_supernode"), "--superlink", settings.superlink]
    command += ["--host", LOOPBACK, "--port", str(port), "--node-config", str(configuration)]
    command += ["--isolation", "process", "--superexec-auth-secret-file", str(_secret(settings))]
    command += ["--insecure", *(word for one in settings.accepted_bundles for word in ("--accept", one))]
    log = settings.folder / "logs" / "supernode.log"
    flower = {"FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    environment = environment_with_scripts(**flower) | {LANE: str(settings.lane)}
    return Program("supernode", tuple(command), log, environment, restart=True)


def _secret(settings: SuperNodeSettings) -> Path:
    """The file with the secret between SuperNode and executor, made at the first start."""
    path = settings.folder / "flower" / "executor.secret"
    Secret.open(path)
    return path


@dataclass(frozen=True)
class LaneState:
    """The state of a work lane, as it was noted last."""

    answered: float = 0.0
    """When the coordinator last answered, in seconds since 1970; 0 for never."""
    problem: str = ""
    """Why the last call failed; empty when it was answered."""

    def hears(self, now: float) -> bool:
        """Whether orders can reach the node."""
        return not self.problem and now - self.answered < FRESH_SECONDS


class LaneFile:
    """Writes and reads the state, from any thread; a process that is killed leaves the last one whole."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._one_writer = threading.Lock()
        self._clock = clock
        self._last = LaneState()

    def answer(self) -> None:
        """The coordinator has answered. Written once a second at most."""
        now = self._clock()
        if self._last.problem or now - self._last.answered >= _NOTE_SECONDS:
            self._write(LaneState(now))

    def fail(self, problem: str) -> None:
        """The coordinator has not answered."""
        if problem != self._last.problem:
            self._write(LaneState(self._last.answered, problem))

    def read(self) -> LaneState:
        """The state as it was noted last; that of a lane that never answered, when nothing was."""
        try:
            values = json.loads(self._path.read_text(encoding="utf-8"))
            return LaneState(float(values["answered"]), str(values["problem"]))
        except (OSError, ValueError, KeyError, TypeError):
            return LaneState()

    def forget(self) -> None:
        """Begin anew: what was noted by an earlier SuperNode says nothing of the next one."""
        self._path.unlink(missing_ok=True)

    def _write(self, state: LaneState) -> None:
        temporary = self._path.with_suffix(f".{os.getpid()}")
        with self._one_writer:
            self._last = state
            temporary.write_text(json.dumps({"answered": state.answered, "problem": state.problem}), encoding="utf-8")
            temporary.replace(self._path)


class WorkLane:
    """The SuperNode of a node, wherever the coordinator is at the moment; a context manager."""

    def __init__(
        self,
        settings: SuperNodeSettings,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        make: Callable[[SuperNodeSettings], SuperNode] = SuperNode,
    ) -> None:
        """`say` is called with each sentence for the owner; `make` makes the SuperNode's processes."""
        self._settings = settings
        self._say = say
        self._clock = clock
        self._make = make
        self._supernode: SuperNode | None = None
        self._file = LaneFile(settings.lane)
        self._deaf_since: float | None = None
        self._last_said: float | None = None
        """When the owner was last informed that the lane does not answer; None when it answers, as far as is known."""

    def look(self, fleet: str | None) -> bool:
        """Whether orders can reach the node now; follows the fleet to a new address. Call it every few seconds.

        Args:
            fleet: the SuperLink's address, as the registry has it; None while no coordinator is announced.
        """
        if fleet is not None and fleet != self._settings.superlink:
            self._say(f"the coordinator hands out its orders at {fleet} now, before it was {self._settings.superlink}")
            self._settings = replace(self._settings, superlink=fleet)
            self.stop()
            self.start()
        state, now = self._file.read(), self._clock()
        if state.hears(time.time()):
            if self._last_said is not None:
                self._say("the work lane answers again: orders reach this node")
            self._deaf_since = self._last_said = None
            return True
        self._deaf_since = now if self._deaf_since is None else self._deaf_since
        due = self._deaf_since + PATIENCE_SECONDS if self._last_said is None else self._last_said + _AGAIN_SECONDS
        if now >= due:
            self._last_said = now
            reason = state.problem or "nothing was heard of it yet"
            self._say(
                f"the work lane is deaf: orders would come from {self._settings.superlink} (Flower's SuperLink), and "
                f"{reason}; the registry's lane answers, and the node keeps trying"
            )
        return False

    def start(self) -> None:
        """Start the processes."""
        self._settings.lane.parent.mkdir(parents=True, exist_ok=True)
        self._file.forget()
        self._deaf_since = self._last_said = None  # what was while the lane rested says nothing of it
        self._supernode = self._make(self._settings)
        self._supernode.start()

    def stop(self) -> None:
        """End the processes."""
        if self._supernode is not None:
            self._supernode.stop()

    @property
    def children(self) -> list[Child]:
        """The running processes."""
        return [] if self._supernode is None else [self._supernode.child]

    def __enter__(self) -> WorkLane:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
