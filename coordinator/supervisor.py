"""The coordinator as one supervised unit: the registry's service, the SuperLink, and the scheduler of rounds.

`Supervisor` starts them in order and announces the fleet's address in the registry. Nodes and commands need the
registry's address only. All listen on loopback without encryption; with a front door (`coordinator.door`) before them,
other hosts reach them over TLS.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import tomli_w

from coordinator.door.certificates import own_proxy_authority
from coordinator.door.config import LoopbackPorts
from coordinator.door.process import Door
from coordinator.door.settings import PublicSettings, keep_public
from coordinator.environment import key_file
from coordinator.flower_keys import FlowerKeys
from coordinator.scheduler import RoundScheduler
from coordinator.superlink import SuperLink, SuperLinkSettings
from ratatouille.errors import RatatouilleError, Refusal, Unreachable
from ratatouille.exchange.membership import Announcement
from ratatouille.exchange.signing import Signer
from ratatouille.folders import write_whole
from ratatouille.home import Ports, ports_file
from ratatouille.processes import Child, Program, environment_with_scripts, refuse_taken_port, service
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
    public: PublicSettings | None = None
    """The front door; None for none."""

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
        self.door: Door | None = None
        """The front door, once everything is ready; None for none, and where the operator's own proxy is one."""

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
            link = SuperLink(
                SuperLinkSettings(settings.folder, settings.ports.superlink, public=settings.public is not None)
            )
            door = self._door(link)
            write_whole(ports_file(settings.folder), [tomli_w.dumps(settings.ports.model_dump()).encode()])
            keep_public(settings.folder, settings.public)
            signer = Signer.open(settings.key)
            # Both start at once: each imports for seconds, and a coordinator that comes back is waited for.
            service = stack.enter_context(Child(_service(settings, signer.node)))
            stack.callback(link.stop)
            link.launch()
            registry = open_registry(settings.remote)
            stack.callback(registry.close)
            _await_registry(registry, service, stop)
            link.wait_until_ready(stop)
            if stop.is_set():
                return
            self.web = registry.info().web
            if door is not None:
                stack.callback(door.stop)
                door.start(_port(self.web)).wait_until_ready(stop)
            registry.work.announce(signer.seal(self._announcement(link, door)))
            stack.callback(_announce_end, registry, signer)
            self.door = door
            ready.set()
            self._stay(registry, link, door, stop)

    def _stay(self, registry: Registry, link: SuperLink, door: Door | None, stop: threading.Event) -> None:
        """Look after everything that changes, until `stop` is set."""
        scheduler, keys = RoundScheduler(registry, link.control, self.settings.remote), FlowerKeys(link.control)
        looks: list[Callable[[], None]] = [scheduler.look]
        if self.settings.public is not None:
            looks += [lambda: keys.look({key.flower: key.name for key in registry.members.flower_keys()})]
        if door is not None:
            looks += [lambda: door.look(lambda: _port(registry.info().web))]
        while not stop.wait(_LOOK_SECONDS):
            for look in looks:
                try:
                    look()
                except RatatouilleError as error:  # of Flower, or no answer for now: neither ends the coordinator
                    _log.warning("%s; trying again", error)

    def _door(self, link: SuperLink) -> Door | None:
        settings, public, tls = self.settings, self.settings.public, link.settings.tls
        if public is None or tls is None or public.own_proxy:
            return None
        behind = LoopbackPorts(settings.ports.registry, settings.ports.superlink, tls)
        return Door(settings.folder / "door", public, behind, settings.folder / "logs" / "door.log")

    def _announcement(self, link: SuperLink, door: Door | None) -> Announcement:
        """Where nodes join: at the front door if there is one, else at the SuperLink itself."""
        public = self.settings.public
        if public is None:
            return Announcement(fleet=link.settings.address)
        authority = own_proxy_authority(public) if door is None else door.authority
        return Announcement(fleet=public.address, public=public.address, authority=authority)


def _port(page: str | None) -> int | None:
    """The port of the page, from its address on this machine."""
    return None if page is None else urlsplit(page).port


def _service(settings: SupervisorSettings, key: str) -> Program:
    command = [*service("registry.server"), "--folder", str(settings.registry_folder), "--coordinator", key]
    command += ["--port", str(settings.ports.registry)]
    command += [] if settings.public is None else ["--behind-door", str(settings.public.user_id)]
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
