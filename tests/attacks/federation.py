"""A running federation to attack: a coordinator with a web page, a node, and a round at work."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from ratatouille.processes import free_port
from tests.coordinator.federation import Federation, Ground, wait_until

with warnings.catch_warnings():
    # Flower imports typer, which uses names that newer click deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.supercore.logger  # noqa: F401

    from coordinator.control import Control
    from ratatouille.processes.secret import Secret

_LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
STEPS = 100_000  # the most that a node takes
"""So many that a round is at work until it is cancelled."""


class Shown(Federation):
    """A federation of one node, with a web page."""

    def __init__(self, ground: Ground, home: Path) -> None:
        super().__init__(ground, home, ["chiara"])
        self.web_port = free_port()

    def page(self) -> list[str]:
        """Options that decide about the page."""
        return ["--web-port", str(self.web_port)]


@dataclass
class Aim:
    """What is attacked, and what its owner knows of it."""

    federation: Shown
    control: Control
    run: int
    round: str

    @property
    def coordinator(self) -> Path:
        """The coordinator's folder."""
        return self.federation.home / "coordinator"

    def family(self) -> list[psutil.Process]:
        """Every process of coordinator and nodes."""
        roots = [psutil.Process(process.pid) for process in self.federation.processes.values()]
        return [*roots, *(child for root in roots for child in root.children(recursive=True))]

    def ports(self) -> list[int]:
        """Every TCP port that one of them listens on."""
        found = set()
        for process in self.family():
            for one in process.net_connections("inet"):
                if one.status == psutil.CONN_LISTEN:
                    assert one.laddr.ip in _LOOPBACK, f"{process.cmdline()} listens on {one.laddr}"
                    found.add(one.laddr.port)
        return sorted(found)

    def node_port(self) -> int:
        """The port of a SuperNode's local API."""
        (command,) = [p.cmdline() for p in self.family() if runs(p, "contributor_client.flower_supernode")][:1]
        return int(command[command.index("--port") + 1])


def runs(process: psutil.Process, module: str) -> bool:
    """Whether it runs a module, and is not the reaper of a process that does."""
    line = process.cmdline()
    return module in line and not any("reaper.py" in word for word in line)


@contextmanager
def attacked(folder: Path) -> Iterator[Aim]:
    """A federation with a round at work, until the block ends."""
    ground = Ground(folder / "ground")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACE_OF_HOSTILE_CODE", str(folder / "trace"))
        with Shown(ground, folder) as federation:
            assert isinstance(federation, Shown)
            file = ground.write_round("attacked", STEPS, recipes=["soup"], evaluate_held_out=False)
            round = federation.request(file)
            wait_until(lambda: bool(federation.registry.work.leases()), 120, "a node is at work")
            secret = Secret.open(federation.home / "coordinator" / "flower" / "control.secret")
            control = Control(f"127.0.0.1:{federation.superlink_port}", secret)
            (run,) = [one for one in range_of_runs(control) if control.status(one) == "running"]
            yield Aim(federation, control, run, round.id)
            control.close()
    assert not (folder / "trace").exists()


def range_of_runs(control: Control) -> list[int]:
    """Ids of all runs that the SuperLink knows."""
    from flwr.proto.control_pb2 import ListRunsRequest

    return [int(run) for run in control._list(ListRunsRequest(limit=100))]
