"""A federation over hosts: a coordinator behind its front door, and members who reach nothing but that door.

    with Network(folder) as network, HostFederation(network) as federation:  # the coordinator is up
        federation.connect("anna", Line(delay=0.1, loss=0.02, rate=2e6))     # a host that reaches the door only
        federation.join("anna", node_file)                                   # invited, enrolled, at work
        federation.await_nodes("anna")
        federation.run("anna", "log", "--json")                              # any command, there

Every host has a home of its own, and a person who is root there. The files of all hosts are on this machine: so
`registry` opens the coordinator's folder, and `log` reads what a host's service printed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.hosts.network import Host, Line, Network
from benchmarks.waiting import wait_until
from ratatouille.processes import environment_with_scripts, module
from registry.opening import open_registry
from registry.records import RoundRecord
from registry.services.registry import Registry

NAME, PORT = "ratatouille.example", 443
COORDINATOR, PROXY = "coordinator", "proxy"
_PROXY_PORT = 3128
_ROOT = Path(__file__).parents[2]
_UP = "the coordinator is up"
_OVER = ("done", "failed", "cancelled")


class HostFederation:
    """A coordinator with a front door on one host and members on others; a context manager that starts and ends it."""

    def __init__(self, network: Network, name: str = NAME, port: int = PORT) -> None:
        """`name` and `port` are the front door's."""
        self.network, self.name, self.port = network, name, port
        self.services: dict[str, subprocess.Popen[str]] = {}
        """By host: the command that runs there until it is ended (`coordinator up`, `node join`)."""
        self._nodes: dict[str, Path] = {}
        self._proxied: set[str] = set()
        network.add(COORDINATOR, also=(name,))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self) -> None:
        """Start the coordinator, also again after its end, and wait until its front door is open.

        Raises:
            RuntimeError: when it ends instead, with what it printed.
        """
        before = self._ups()
        self._serve(COORDINATOR, "coordinator", "up", "--no-web", "--public", f"{self.name}:{self.port}")
        wait_until(lambda: self._ups() > before, "the coordinator is up")

    def end(self) -> None:
        """End all services, members' first. They can be started again."""
        for process in reversed(self.services.values()):
            process.terminate()
            process.wait()
        self.services.clear()

    @cached_property
    def registry(self) -> Registry:
        """The coordinator's registry, opened as its folder: what is in it, without the way through the door."""
        return open_registry(self.home(COORDINATOR) / "coordinator" / "registry")

    def host(self, name: str) -> Host:
        """A host, to run any program there, change its firewall, or cut its line."""
        return self.network.hosts[name]

    def home(self, name: str) -> Path:
        """RATATOUILLE_HOME on a host."""
        return self.host(name).home / ".ratatouille"

    def log(self, name: str) -> str:
        """What the service of a host printed."""
        log = self._log(name)
        return log.read_text() if log.exists() else ""

    def connect(self, name: str, line: Line | None = None, behind_proxy: bool = False) -> Host:
        """Add a host that reaches one port of one name only: the front door's, or that of a CONNECT proxy.

        Args:
            name: of the host and its person.
            line: how bad its line is.
            behind_proxy: whether HTTPS_PROXY names a proxy, which is the only host that it reaches.
        """
        host = self.network.add(name, line)
        if behind_proxy:
            self._proxied.add(name)
            host.only_to(self._proxy().address, _PROXY_PORT)
        else:
            host.only_to(self.host(COORDINATOR).address, self.port)
        return host

    def invite(self, role: str = "contributor", uses: int = 1) -> str:
        """An invitation, made by the owner at the coordinator.

        Raises:
            RuntimeError: when there is none, with the reason.
        """
        return self._done(COORDINATOR, "members", "invite", "--role", role, "--uses", str(uses)).strip()

    def enrol(self, name: str, role: str = "reader") -> None:
        """Make the person of a host a member without a node.

        Raises:
            RuntimeError: when they are not let in, with the reason.
        """
        self._done(name, "members", "join", "--invite", "-", "--name", name, text=self.invite(role))

    def join(self, name: str, file: Path, invitation: str | None = None) -> None:
        """Start the node of a host by its node.toml and an invitation, for which the owner is asked if none is given.

        It returns at once. The member and the node have the name that the file says.
        """
        given = self.host(name).home / "invitation"
        given.parent.mkdir(parents=True, exist_ok=True)
        given.write_text(invitation or self.invite())
        self._nodes[name] = file
        self._serve(name, "node", "join", str(file), "--invite", str(given))

    def start_again(self, name: str) -> None:
        """Start the service of a host again, by the same command and without waiting, as systemd does."""
        if name == COORDINATOR:
            self._serve(COORDINATOR, "coordinator", "up", "--no-web")  # its folder keeps the name of its door
        else:
            self._serve(name, "node", "join", str(self._nodes[name]))

    def leave(self, name: str) -> None:
        """End the service of a host as Ctrl-C does; returns when it has ended.

        Raises:
            RuntimeError: when it ends otherwise, with what it printed.
        """
        process = self.services.pop(name)
        process.terminate()
        if process.wait():
            raise RuntimeError(f"{name} ended with {process.returncode}: {self.log(name)}")

    def kill(self, name: str) -> None:
        """kill -9 all processes of a host, as when it loses power."""
        process = self.services.pop(name)
        for pid in self.host(name).processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def await_nodes(self, *names: str) -> None:
        """Wait until these nodes hear orders; each has the name of its host."""
        wait_until(
            lambda: {one.name for one in self.registry.work.offers() if one.hears_orders} >= set(names),
            f"{', '.join(names)} hear orders",
        )

    def finish(self, round_id: str, seconds: float = 300.0) -> RoundRecord:
        """Wait until a round is over."""
        rounds = self.registry.rounds
        wait_until(lambda: rounds.round(round_id).state in _OVER, "the round is over", seconds)
        return rounds.round(round_id)

    def run(
        self, name: str, *words: str, text: str | None = None, seconds: float = 300.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a `ratatouille` command on a host to its end; `text` is what it reads."""
        return self.host(name).run(*_command(words), text=text, seconds=seconds, more=self.environment(name))

    def environment(self, name: str) -> dict[str, str]:
        """What a host's person has set: the proxy, where there is one."""
        more = {"PATH": environment_with_scripts()["PATH"], "OMP_NUM_THREADS": "1"}
        return more | ({"HTTPS_PROXY": f"http://{PROXY}:{_PROXY_PORT}"} if name in self._proxied else {})

    def _serve(self, name: str, *words: str) -> None:
        more = self.environment(name)
        self.services[name] = self.host(name).start(*_command(words), log=self._log(name), more=more)

    def _done(self, name: str, *words: str, text: str | None = None) -> str:
        done = self.run(name, *words, text=text)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} on {name}: {done.stderr.strip()}")
        return done.stdout

    def _log(self, name: str) -> Path:
        return self.network.folder / f"{name}.log"

    def _ups(self) -> int:
        """How often the coordinator has said that it is up."""
        process = self.services.get(COORDINATOR)
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the coordinator ended: {self.log(COORDINATOR)}")
        return self.log(COORDINATOR).count(_UP)

    def _proxy(self) -> Host:
        if PROXY not in self.network.hosts:
            log, here = self._log(PROXY), self.network.add(PROXY)
            command = (sys.executable, "-m", "benchmarks.hosts.connect_proxy", str(_PROXY_PORT))
            here.start(*command, log=log, more={"PYTHONPATH": str(_ROOT)})
            wait_until(lambda: "ready" in log.read_text(), "the proxy listens")
        return self.host(PROXY)


def _command(words: Sequence[str]) -> list[str]:
    return [*module("ratatouille.cli.main"), *words]
