"""Paths of a node's files: one folder, private to its owner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.outbox import OUTBOX
from ratatouille.processes.locks import is_locked

WORKER_SOCKET, WORKERS, NODE_KEY = "worker-socket", "workers", "node-key"
"""Entries of Flower's configuration of the node: path of the first worker's socket, how many workers there are, and
path of the file with the private key."""


@dataclass(frozen=True)
class NodePaths:
    """The places in a node's folder."""

    folder: Path
    worker: int = 0
    """Which of the node's workers, from 0; each device has one."""

    def of_workers(self, count: int) -> list[NodePaths]:
        """The same, for each of so many workers."""
        return [NodePaths(self.folder, number) for number in range(count)]

    @property
    def own(self) -> Path:
        """The folder with the files that a worker shares with no other one; of the first it is the node's."""
        return self.folder / f"worker-{self.worker}" if self.worker else self.folder

    @property
    def key(self) -> Path:
        """The node's identity: the owner of this file is this contributor."""
        return self.folder / "key"

    @property
    def flower_key(self) -> Path:
        """How Flower knows the node in a fleet behind a front door."""
        return self.folder / "flower.key"

    @property
    def roots(self) -> Path:
        """The authorities that the SuperNode believes at the front door; written anew at each join."""
        return self.folder / "flower" / "roots.pem"

    @property
    def clock(self) -> Path:
        """How far this machine's clock is from the registry's."""
        return self.folder / "flower" / "clock"

    @property
    def data(self) -> Path:
        """Hashes and decoded images of local data; may be deleted at any time."""
        return self.folder / "data"

    @property
    def weights(self) -> Path:
        """Weights that were fetched, by digest; may be deleted at any time."""
        return self.folder / "weights"

    @property
    def work(self) -> Path:
        """Checkpoints of work in progress."""
        return self.folder / "work"

    @property
    def at_work(self) -> Path:
        """A lock for each piece of work that a worker does: two of one node never do the same."""
        return self.work / "locks"

    @property
    def budget(self) -> Path:
        """How many networks were counted on each holding in the last week."""
        return self.folder / "budget.json"

    @property
    def socket(self) -> Path:
        """Where the worker takes orders."""
        return self.own / "worker.socket"

    @property
    def activity(self) -> Path:
        """What the worker does now."""
        return self.own / "activity.json"

    @property
    def running(self) -> Path:
        """What the node notes of itself for `node doctor`."""
        return self.folder / "running.json"

    @property
    def lane(self) -> Path:
        """Whether the coordinator answers the SuperNode."""
        return self.folder / "flower" / "lane.json"

    @property
    def parked(self) -> Path:
        """What the node does no work with for a while, and why."""
        return self.folder / "parked"

    @property
    def outbox(self) -> Path:
        """The log of everything that left this machine for the node's federation."""
        return self.folder / OUTBOX

    @property
    def worker_log(self) -> Path:
        """The log of the worker."""
        return self.logs / f"{f'worker-{self.worker}' if self.worker else 'worker'}.log"

    @property
    def logs(self) -> Path:
        """Logs of the node's processes."""
        return self.folder / "logs"


def refuse_running(folder: Path) -> None:
    """See that no node runs from a folder.

    Raises:
        Refusal: when one does.
    """
    if is_locked(folder / "lock"):
        raise Refusal(f"a node runs from '{folder}'; stop it first")
