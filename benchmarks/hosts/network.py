"""Hosts in network namespaces: a switch, and hosts with addresses, names, firewalls and lines of their own.

Nothing of it touches the machine's own network. Each host has a name that all others resolve, through the hosts file
that `ip netns exec` puts in the place of /etc/hosts. It needs root, `ip` and, for firewalls, `nft`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_NETWORK = "10.213.0"
_FILES = Path("/etc/netns")
_END_SECONDS = 20.0


def why_not() -> str | None:
    """Why this machine cannot make hosts; None when it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "hosts in network namespaces need Linux and root"
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    missing = [tool for tool in ("ip", "nft") if shutil.which(tool, path=path) is None]
    if missing:
        return f"hosts in network namespaces need {' and '.join(missing)} (Debian: iproute2, nftables)"
    probe = f"rt-{secrets.token_hex(3)}"
    done = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"this machine makes no network namespaces: {done.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", probe], check=False)
    return None


@dataclass(frozen=True)
class Line:
    """The line between a host and the switch; delays add up over both directions."""

    delay: float = 0.0
    """Seconds for one packet, in each direction."""
    loss: float = 0.0
    """The share of packets that are lost, in each direction."""
    rate: float = 0.0
    """Bits each second, in each direction; 0 for no limit."""


class Host:
    """One host: a namespace with one address, the folder of its person, and the processes that were started on it."""

    def __init__(self, name: str, namespace: str, address: str, home: Path, port: tuple[str, str]) -> None:
        """`port` is the switch's namespace and its port for this host."""
        self.name, self.namespace, self.address, self.home = name, namespace, address, home
        self._port = port
        self._running: list[subprocess.Popen[str]] = []

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a process here: the host's own home, and no proxy but what `more` says."""
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        own = {"HOME": str(self.home), "RATATOUILLE_HOME": str(self.home / ".ratatouille"), "PYTHONUNBUFFERED": "1"}
        return kept | own | dict(more or {})

    def start(self, *command: str, log: Path, more: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a process here that writes into a log; it ends with the network at the latest."""
        self.home.mkdir(parents=True, exist_ok=True)
        with log.open("a") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *command],
                env=self.environment(more),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._running.append(process)
        return process

    def run(
        self, *command: str, seconds: float = 300.0, more: Mapping[str, str] | None = None, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command here to its end; `text` is what it reads."""
        self.home.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            ["ip", "netns", "exec", self.namespace, *command],
            env=self.environment(more),
            cwd=self.home,
            input="" if text is None else text,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def processes(self) -> list[int]:
        """The ids of all processes that run here."""
        pids = _run(["ip", "netns", "pids", self.namespace]).split()
        return [int(pid) for pid in pids]

    def rules(self, text: str) -> None:
        """Replace the host's firewall (a table `filter` of family inet, as nft reads it)."""
        _run(["ip", "netns", "exec", self.namespace, "nft", "-f", "-"], f"flush ruleset\n{text}")

    def only_to(self, address: str, port: int) -> None:
        """From now on this host reaches one port of one address, and nothing reaches it."""
        self.rules(
            "table inet filter {\n"
            "  chain output { type filter hook output priority 0; policy drop;\n"
            f"    oifname lo accept; ct state established accept; ip daddr {address} tcp dport {port} accept; }}\n"
            "  chain input { type filter hook input priority 0; policy drop;\n"
            "    iifname lo accept; ct state established accept; }\n}"
        )

    def resolve(self, name: str, address: str | None) -> None:
        """From now on a name leads to another address for this host, or to none."""
        file = _FILES / self.namespace / "hosts"
        lines = [line for line in file.read_text().splitlines() if name not in line.split()[1:]]
        lines += [] if address is None else [f"{address} {name}"]
        file.write_text("\n".join(lines) + "\n")  # in place, as `Network` writes it

    def cut(self) -> None:
        """Cut the line: packets vanish without a word until `mend`."""
        switch, port = self._port
        _ip(switch, "link", "set", port, "nomaster")

    def mend(self) -> None:
        """The line is whole again."""
        switch, port = self._port
        _ip(switch, "link", "set", port, "master", "bridge0")

    def end(self) -> None:
        """End the processes that were started here."""
        for process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self._running):
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


class Network:
    """A switch with hosts; a context manager that leaves nothing."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets a home folder for each host."""
        self.folder = folder
        self.hosts: dict[str, Host] = {}
        self._names: dict[str, str] = {}
        """Address by name."""
        self._mark = f"rt-{secrets.token_hex(3)}"
        self._switch = f"{self._mark}-switch"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._namespace(self._switch)
        _ip(self._switch, "link", "add", "bridge0", "type", "bridge")
        _ip(self._switch, "link", "set", "bridge0", "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self.hosts.values():
            host.end()
        self._stack.close()

    def add(self, name: str, line: Line | None = None, also: Sequence[str] = ()) -> Host:
        """Connect a host; `also` are further names of it."""
        number = len(self.hosts) + 1
        namespace, address = f"{self._mark}-{name}", f"{_NETWORK}.{number + 1}"
        port = f"port{number}"
        host = Host(name, namespace, address, self.folder / name, (self._switch, port))
        self._namespace(namespace)
        if line is None:
            _ip(self._switch, "link", "add", port, "type", "veth", "peer", "name", "net0", "netns", namespace)
        else:
            self._bad_line(namespace, port, line)
        _ip(self._switch, "link", "set", port, "master", "bridge0", "up")
        _ip(namespace, "address", "add", f"{address}/24", "dev", "net0")
        _ip(namespace, "link", "set", "net0", "up")
        self.hosts[name] = host
        self._names |= dict.fromkeys((name, *also), address)
        self._write_names()
        return host

    def _bad_line(self, namespace: str, port: str, line: Line) -> None:
        command = [sys.executable, "-m", "benchmarks.hosts.line", "--here", namespace, "--there", self._switch]
        command += ["--port", port]
        command += ["--delay", str(line.delay), "--loss", str(line.loss), "--rate", str(line.rate)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        assert process.stdout is not None
        self._stack.callback(process.stdout.close)
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the bad line could not be made; is there /dev/net/tun?")

    def _write_names(self) -> None:
        """Every host resolves every name."""
        lines = ["127.0.0.1 localhost", "::1 localhost"]
        lines += [f"{address} {name}" for name, address in self._names.items()]
        for host in self.hosts.values():
            # written in place: a process that runs has this very file mounted
            (_FILES / host.namespace / "hosts").write_text("\n".join(lines) + "\n")

    def _namespace(self, name: str) -> None:
        _run(["ip", "netns", "add", name])
        self._stack.callback(_remove_namespace, name)
        _ip(name, "link", "set", "lo", "up")
        files = _FILES / name
        files.mkdir(parents=True, exist_ok=True)
        (files / "hosts").write_text("127.0.0.1 localhost\n")
        (files / "resolv.conf").write_text("# no name server: names are in the hosts file\n")


def _remove_namespace(name: str) -> None:
    subprocess.run(["ip", "netns", "delete", name], check=False)
    shutil.rmtree(_FILES / name, ignore_errors=True)
    with suppress(OSError):
        _FILES.rmdir()


def _ip(namespace: str, *words: str) -> None:
    _run(["ip", "-n", namespace, *words])


def _run(command: Sequence[str], text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
