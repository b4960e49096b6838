"""A node's side of the work lane: the SuperNode and our executor, as two supervised processes.

The SuperNode talks to the coordinator and keeps one message. It runs nothing itself (`--isolation process`) and hands
tasks only to a process that knows the secret in the node's folder. Both are restarted on any exit: a SuperNode
ends with code 0 when the coordinator forgot it, and with 1 when its key is still taken by a predecessor that was
killed. The worker is a third process, which others write and start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tomli_w

from contributor_client.app import NODE_KEY, WORKER_SOCKET
from ratatouille.processes import Child, Program, environment_with_scripts, free_port, module, stop_all
from ratatouille.processes.ports import LOOPBACK
from ratatouille.processes.secret import Secret

LANE = "RATATOUILLE_LANE"
"""The environment variable that names the file with the lane's state."""


@dataclass(frozen=True)
class SuperNodeSettings:
    """Where a node keeps its state, and how it reaches the coordinator."""

    folder: Path
    superlink: str
    """host:port of the SuperLink, or of the proxy before it."""
    node_key: Path
    """File with the node's private key; made at the first use."""
    worker_socket: Path
    certificate: Path | None = None
    """The authority that signed the proxy's certificate (PEM); None means an unencrypted connection."""
    flower_key: Path | None = None
    """ECDSA key for Flower's own node authentication, which needs an encrypted connection."""
    accepted_bundles: tuple[str, ...] = ()
    """Hashes of the bundles to accept; empty means ours."""

    @property
    def lane(self) -> Path:
        """The file in which the SuperNode notes whether the coordinator answers."""
        return self.folder / "flower" / "lane.json"


class SuperNode:
    """The running pair; a context manager. When we die, even by kill -9, both end too."""

    def __init__(self, settings: SuperNodeSettings) -> None:
        self.settings = settings
        # A fixed port would allow one node a machine. Should somebody take it before the SuperNode does, the node has
        # to be started again.
        address = f"{LOOPBACK}:{free_port()}"
        self.children = [Child(_supernode(settings, address)), Child(_executor(settings, address))]

    def start(self) -> SuperNode:
        """Start both and return at once; the SuperNode goes on trying until the coordinator answers."""
        for child in self.children:
            child.start()
        return self

    @property
    def running(self) -> bool:
        """True while both live; False also in the pause before a restart."""
        return all(child.running for child in self.children)

    def stop(self) -> None:
        """End both; the SuperNode says goodbye to the coordinator."""
        stop_all(self.children)

    def __enter__(self) -> SuperNode:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _supernode(settings: SuperNodeSettings, address: str) -> Program:
    home = settings.folder / "flower"
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "node.toml"
    values = {NODE_KEY: str(settings.node_key.resolve()), WORKER_SOCKET: str(settings.worker_socket.absolute())}
    configuration.write_text(tomli_w.dumps(values), encoding="utf-8")
    command = [*module("contributor_client.flower_supernode"), "--superlink", settings.superlink]
    command += ["--host", LOOPBACK, "--port", address.rpartition(":")[2], "--node-config", str(configuration)]
    command += ["--isolation", "process", "--superexec-auth-secret-file", str(_secret(settings))]
    command += ["--insecure"] if settings.certificate is None else ["--root-certificates", str(settings.certificate)]
    if settings.flower_key is not None:
        command += ["--auth-supernode-private-key", str(settings.flower_key)]
    log = settings.folder / "logs" / "supernode.log"
    environment = _environment(home) | {LANE: str(settings.lane)}
    return Program("supernode", tuple(command), log, environment, restart=True)


def _executor(settings: SuperNodeSettings, address: str) -> Program:
    command = [*module("contributor_client.executor"), "--runtime", address]
    command += ["--secret", str(_secret(settings))]
    for one in settings.accepted_bundles:
        command += ["--accept", one]
    log = settings.folder / "logs" / "executor.log"
    return Program("executor", tuple(command), log, _environment(settings.folder / "flower"), restart=True)


def _environment(home: Path) -> dict[str, str]:
    return environment_with_scripts(FLWR_HOME=str(home), FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1")


def _secret(settings: SuperNodeSettings) -> Path:
    """The file with the secret between SuperNode and executor, made at the first start."""
    path = settings.folder / "flower" / "executor.secret"
    Secret.open(path)
    return path
