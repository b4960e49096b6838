"""The coordinator as one supervised unit: the registry's service, the SuperLink, and the scheduler of rounds.

`Supervisor` starts them in order and announces the fleet's address in the registry. Nodes and commands need the
registry's address only. It listens on loopback without encryption.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from coordinator.environment import key_file
from coordinator.scheduler import RoundScheduler
from coordinator.superlink import SuperLink, SuperLinkSettings
from ratatouille.errors import RatatouilleError, Refusal, Unreachable
from ratatouille.exchange.membership import Announcement
from ratatouille.exchange.signing import Signer
from ratatouille.folders import write_whole
from ratatouille.home import Ports, ports_file
from ratatouille.processes import Child, Program, environment_with_scripts, module, refuse_taken_port
from ratatouille.processes.locks import is_locked, only_one
from ratatouille.processes.ports import LOOPBACK
from registry.opening import open_registry
from registry.services.registry import Registry

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_READY_SECONDS = 60.0


@dataclass(frozen=True)
class SupervisorSettings:
    """Settings of a coordinator: its folder and its ports."""

    folder: Path
    ports: Ports
    web_port: int | None = None
    """Port of the web page, a free one if it is taken; None for no page."""

    @property
    def remote(self) -> str:
        """The address of the registry's service."""
        return f"grpc://{LOOPBACK}:{self.ports.registry}"

    @property
    def key(self) -> Path:
        """The file with the private key that signs orders; made at the first start."""
        return key_file(self.folder)

    @property
    def registry_folder(self) -> Path:
        """Where database and weights are."""
        return self.folder / "registry"


class Supervisor:
    """A running coordinator."""

    def __init__(self, settings: SupervisorSettings) -> None:
        self.settings = settings
        self.web: str | None = None
        """Address of the web page, once everything is ready; None for no page."""

    def run(self, stop: threading.Event, ready: threading.Event) -> None:
        """Start everything, set `ready`, and keep rounds alive until `stop` is set.

        Raises:
            Refusal: port taken, folder in use by another coordinator, or a service that does not start.
        """
        settings = self.settings
        with ExitStack() as stack:
            settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            taken = f"a coordinator runs already from {settings.folder}; `ratatouille coordinator status` shows it"
            lock = stack.enter_context(only_one(settings.folder / "lock", taken))
            os.truncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
            refuse_taken_port(settings.ports.registry, "the registry", "--port")
            refuse_taken_port(settings.ports.superlink, "the SuperLink", "--superlink-port")
            write_whole(ports_file(settings.folder), [tomli_w.dumps(settings.ports.model_dump()).encode()])
            signer = Signer.open(settings.key)
            # Both start at once: each imports for seconds, and a coordinator that comes back is waited for.
            service = stack.enter_context(Child(_service(settings, signer.node)))
            link = SuperLink(SuperLinkSettings(settings.folder, settings.ports.superlink))
            stack.callback(link.stop)
            link.launch()
            registry = open_registry(settings.remote)
            stack.callback(registry.close)
            _await_registry(registry, service, stop)
            link.wait_until_ready(stop)
            if stop.is_set():
                return
            registry.work.announce(signer.seal(Announcement(fleet=link.settings.address)))
            stack.callback(_announce_end, registry, signer)
            self.web = registry.info().web
            ready.set()
            scheduler = RoundScheduler(registry, link.control, settings.remote)
            while not stop.wait(_LOOK_SECONDS):
                try:
                    scheduler.look()
                except RatatouilleError as error:  # of Flower, or no answer for now: neither ends the coordinator
                    _log.warning("%s; trying again", error)


def _service(settings: SupervisorSettings, key: str) -> Program:
    command = [*module("registry.server"), "--folder", str(settings.registry_folder), "--coordinator", key]
    command += ["--port", str(settings.ports.registry)]
    command += [] if settings.web_port is None else ["--web-port", str(settings.web_port)]
    log = settings.folder / "logs" / "registry.log"
    return Program("registry", tuple(command), log, environment_with_scripts(), restart=True)


def _await_registry(registry: Registry, service: Child, stop: threading.Event) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not stop.is_set():
        try:
            registry.info()
            return
        except Unreachable as error:
            if time.monotonic() > deadline or service.starts > 3:
                raise Refusal(f"the registry's service does not start: {service.log_tail(3)}") from error
            stop.wait(0.1)


def _announce_end(registry: Registry, signer: Signer) -> None:
    try:
        registry.work.announce(signer.seal(Announcement(fleet=None)))
    except Unreachable:
        _log.warning("the end of this coordinator was not announced: the registry's service had ended before it")


def running_pid(folder: Path) -> int | None:
    """The process of the coordinator that runs from a folder; None when none does."""
    lock = folder / "lock"
    return int(lock.read_text() or 0) or None if is_locked(lock) else None
