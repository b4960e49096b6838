"""A node's work lane: the process that takes orders from the coordinator, and whether orders can reach them.

The SuperNode talks to the coordinator and keeps one message. Flower runs nothing itself (`--isolation process`) and
hands tasks only to programs that know the secret in the node's folder: our executor, a thread of the same process. It
is restarted on any exit: a SuperNode ends with code 0 when the coordinator forgot it, and with 1 when its key is still
taken by a predecessor that was killed. The worker is a second process, which `node` starts.

The SuperNode asks the coordinator for messages every few seconds and sends a sign of life every twenty; its client
notes each answer and each failure in a file (`lane_file`). The node reads it to say whether orders can reach it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import tomli_w

from contributor_client.lane_file import CLOCK, LANE, OUTBOX, LaneFile, LaneState
from contributor_client.paths import NODE_KEY, WORKER_SOCKET, WORKERS, NodePaths
from ratatouille.addresses import Address
from ratatouille.errors import Refusal
from ratatouille.processes import Child, Program, environment_with_scripts, free_port, service
from ratatouille.processes.ports import LOOPBACK
from ratatouille.processes.secret import Secret
from ratatouille.proxies import only_proxy, proxy_for

UNUSED = ("flwr.supercore.object_store.sql_object_store:SqlObjectStore",)
"""What Flower imports for SuperLinks with a database: SQLAlchemy, a third of the time in which a SuperNode starts."""
PATIENCE_SECONDS = 10.0
"""A lane that does not answer for so long is called deaf: orders cannot reach the node."""
_AGAIN_SECONDS = 60.0
"""Time until the owner is informed of the same trouble again."""
UNKNOWN_SECONDS = 75.0
"""A SuperLink that refuses a key for so long does not know it. Until then a predecessor that was killed may still hold
its place, or the coordinator may not have registered the key yet."""
_REFUSED = (401, 412)
"""What a SuperLink answers to a key that it does not know, at work and at the beginning."""


@dataclass(frozen=True)
class FrontDoorFiles:
    """What a SuperNode needs to pass a front door."""

    roots: Path
    """The authorities that are believed there, as PEM."""
    key: Path
    """The file with the node's key for Flower."""
    clock: Path
    """The file with what is to be added to this machine's clock."""


@dataclass(frozen=True)
class SuperNodeSettings:
    """Settings of a SuperNode: where it keeps its state, and how it reaches the coordinator."""

    folder: Path
    superlink: str
    """host:port of the SuperLink."""
    node_key: Path
    """File with the node's private key; made at the first use."""
    worker_socket: Path
    """The socket of the first worker; those of the others follow from it."""
    front: FrontDoorFiles | None = None
    """What the SuperNode needs to pass a front door; None for a fleet without one."""
    accepted_bundles: tuple[str, ...] = ()
    """Hashes of the bundles to accept; empty means ours (`exchange.bundle.accepted_bundles`)."""

    workers: int = 1

    @property
    def lane(self) -> Path:
        """The file in which the SuperNode notes whether the coordinator answers."""
        return NodePaths(self.folder).lane

    @property
    def environment(self) -> dict[str, str]:
        """The SuperNode's environment: the coordinator is reached by the same proxy as the registry, or by none."""
        coordinator = Address.parse(f"grpcs://{self.superlink}")
        proxy = proxy_for(coordinator.host, coordinator.port, encrypted=self.front is not None)
        flower = {"FLWR_HOME": str(self.folder / "flower")}
        flower |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        clock = {} if self.front is None else {CLOCK: str(self.front.clock)}
        places = {LANE: str(self.lane), OUTBOX: str(NodePaths(self.folder).outbox)}
        return environment_with_scripts(**flower) | only_proxy(proxy) | clock | places


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
    values: dict[str, str | int] = {WORKERS: settings.workers, NODE_KEY: str(settings.node_key.resolve())}
    values[WORKER_SOCKET] = str(settings.worker_socket.absolute())
    configuration.write_text(tomli_w.dumps(values), encoding="utf-8")
    command = [*service("contributor_client.flower_supernode", UNUSED), "--superlink", settings.superlink]
    command += ["--host", LOOPBACK, "--port", str(port), "--node-config", str(configuration)]
    command += ["--isolation", "process", "--superexec-auth-secret-file", str(_secret(settings))]
    if settings.front is None:
        command += ["--insecure"]
    else:
        command += ["--root-certificates", str(settings.front.roots)]
        command += ["--auth-supernode-private-key", str(settings.front.key)]
    command += ["--workers", str(settings.workers)]
    command += [word for one in settings.accepted_bundles for word in ("--accept", one)]
    log = settings.folder / "logs" / "supernode.log"
    return Program("supernode", tuple(command), log, settings.environment, restart=True)


def _secret(settings: SuperNodeSettings) -> Path:
    """The file with the secret between SuperNode and executor, made at the first start."""
    path = settings.folder / "flower" / "executor.secret"
    Secret.open(path)
    return path


class WorkLane:
    """The SuperNode of a node, wherever the coordinator is at the moment; a context manager."""

    def __init__(
        self,
        settings: SuperNodeSettings,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        make: Callable[[SuperNodeSettings], SuperNode] = SuperNode,
        new_key: Callable[[], None] | None = None,
        enter_again: Callable[[], bool] = lambda: False,
    ) -> None:
        """`say` is called with each sentence for the owner; `make` makes the SuperNode's processes; `new_key` replaces
        a key that the SuperLink does not know. `enter_again` enters the key at the registry once more, and says whether
        that took a new one, since the old one has ended.
        """
        self._settings = settings
        self._say = say
        self._clock = clock
        self._make = make
        self._new_key, self._enter_again = new_key, enter_again
        self._unknown_since: float | None = None
        """When the SuperLink began to refuse the node's key; None when it did not."""
        self._supernode: SuperNode | None = None
        self._file = LaneFile(settings.lane)
        self._deaf_since: float | None = None
        self._seen = (False, False)
        self._last_said: float | None = None
        """When the owner was last informed that the lane does not answer; None when it answers, as far as is known."""

    def look(self, fleet: str | None, enter: Callable[[], FrontDoorFiles | None] = lambda: None) -> bool:
        """Whether orders can reach the node now; follows the fleet to a new address. Call it every few seconds.

        Args:
            fleet: the SuperLink's address, as the registry has it; None while no coordinator is announced.
            enter: makes what the SuperNode needs at a new address.

        Raises:
            Refusal: when the SuperLink knows neither the node's key nor a new one.
        """
        if fleet is not None and fleet != self._settings.superlink:
            self._say(f"the coordinator hands out its orders at {fleet} now, before it was {self._settings.superlink}")
            self._settings = replace(self._settings, superlink=fleet, front=enter())
            self.stop()
            self.start()
        state, now = self._file.read(), self._clock()
        if state.hears(time.time()):
            if self._last_said is not None:
                self._say("the work lane answers again: orders reach this node")
            self._deaf_since = self._last_said = self._unknown_since = None
            return True
        self._see_whether_known(state, now)
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

    def has_news(self) -> bool:
        """Whether the SuperLink has begun or ceased to answer, or to refuse the key, since this was asked last."""
        state = self._file.read()
        before, self._seen = self._seen, (state.hears(time.time()), state.status in _REFUSED)
        return before != self._seen

    @property
    def behind_front(self) -> bool:
        """Whether the SuperLink stands behind a front door, and so checks keys and times."""
        return self._settings.front is not None

    @property
    def refused(self) -> bool:
        """Whether the SuperLink refused the last call: it does not know the key, or this clock is wrong."""
        return self._file.read().status in _REFUSED

    def _see_whether_known(self, state: LaneState, now: float) -> None:
        """Replace a key that the SuperLink does not know. Flower never takes back a key that was removed.

        The registry says at once whether the key has ended, as when its member was a reader for a while. If it has not,
        the SuperLink may know it in a moment.

        Raises:
            Refusal: when a new one changes nothing, and when this node may not work.
        """
        if self._settings.front is None or state.status not in _REFUSED:
            self._unknown_since = None
            return
        if self._unknown_since is None:
            if self._enter_again():
                self._begin_with_new_key("this node's key for Flower had ended; made a new one")
                return
            self._unknown_since = now
        if now - self._unknown_since < UNKNOWN_SECONDS:
            return
        if self._new_key is None:
            raise Refusal(
                f"the coordinator at {self._settings.superlink} does not know this node's key for Flower, nor a new "
                "one, though the registry took both; ask its maintainer what the coordinator's log says of this node"
            )
        self._new_key()
        self._new_key = None
        where = self._settings.superlink
        self._begin_with_new_key(f"the coordinator at {where} does not know this node's key for Flower; made a new one")

    def _begin_with_new_key(self, sentence: str) -> None:
        self._say(sentence)
        self._unknown_since = None
        self.stop()
        self.start()

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
