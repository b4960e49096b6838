"""`ratatouille coordinator …`: start, look at and stop the coordinator of this machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coordinator.door import options
from ratatouille.cli.output import (
    AsJson,
    Home,
    LogFormat,
    NoWeb,
    Remote,
    print_json,
    print_line,
    say_what_happens,
)
from ratatouille.errors import Refusal
from ratatouille.home import DEFAULT_PORT, DEFAULT_WEB_PORT, Ports, coordinator_folder, read_ports, remote_in_force
from ratatouille.processes import stop_on_signals
from ratatouille.processes.ports import LOOPBACK
from registry.records import ALIVE
from registry.web import MISSING

if TYPE_CHECKING:
    from coordinator.supervisor import Supervisor, SupervisorSettings

_END_SECONDS = 25.0
"""The coordinator ends within this time; `down` waits a little longer."""


def up(
    folder: Home = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help=f"Port of the registry's service (default: that of last time, or {DEFAULT_PORT}).",
        ),
    ] = None,
    superlink_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help=f"Port of Flower's SuperLink (default: that of last time, or {DEFAULT_PORT + 1}).",
        ),
    ] = None,
    web_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of the web page, a free one if it is taken, or 0 "
            f"(default: that of last time, or {DEFAULT_WEB_PORT}).",
        ),
    ] = None,
    no_web: NoWeb = False,
    public: options.Public = None,
    no_public: options.NoPublic = False,
    cert: options.Cert = None,
    key: options.Key = None,
    acme_email: options.AcmeEmail = None,
    acme_directory: options.AcmeDirectory = None,
    acme_root: options.AcmeRoot = None,
    trusted_proxy: options.TrustedProxy = None,
    own_proxy: options.OwnProxy = False,
    proxy_user: options.ProxyUser = None,
    log_format: LogFormat = None,
) -> None:
    """Start registry and coordinator on this machine.

    It runs until Ctrl-C or `ratatouille coordinator down`. Started again with the same folder, it goes on where it was:
    rounds that were running continue. Its folder keeps the ports, so that the commands of this home find it.

    It listens on loopback. With --public other hosts reach it, through a front door: one port, TLS, and nothing but
    what members need.
    """
    stop = stop_on_signals(_END_SECONDS)
    from coordinator.supervisor import Supervisor, SupervisorSettings

    say_what_happens()
    place = _folder(folder)
    last = read_ports(place)
    web = last.web if web_port is None else web_port
    ports = Ports(registry=port or last.registry, superlink=superlink_port or last.superlink, web=web)
    beside = {"cert": cert, "key": key, "acme_email": acme_email, "acme_directory": acme_directory}
    more = {"acme_root": acme_root, "trusted_proxies": trusted_proxy, "own_proxy": own_proxy}
    door = options.public_in_force(place, public, no_public, proxy_user=proxy_user, **beside, **more)
    settings = SupervisorSettings(place, ports, None if no_web else web, door)
    supervisor = Supervisor(settings)
    ready = threading.Event()

    def say_when_ready() -> None:
        if ready.wait() and not stop.is_set():
            lines = (
                f"the coordinator is up: registry {settings.remote}, state in {settings.folder}\n"
                f"{_page(supervisor.web, settings.web_port)}\n"
                f"{_reached(settings, supervisor)} contributors: `{join_command(settings.remote)}`"
                f"{_for_readers(settings.remote)}"
            )
            for line in lines.splitlines():
                print_line(line)

    threading.Thread(target=say_when_ready, daemon=True).start()
    supervisor.run(stop, ready)
    print_line("the coordinator has stopped")


def _reached(settings: SupervisorSettings, supervisor: Supervisor) -> str:
    """The sentence on who can reach it, before the command for contributors of this machine."""
    if settings.public is None:
        return "(loopback only, without encryption)"
    door = supervisor.door
    own = (
        f"front door: your own proxy at {settings.public.address}; `ratatouille coordinator proxy nginx` configures it"
    )
    others = "contributors on other machines: `ratatouille members invite` prints a line for each"
    return f"{own if door is None else door.sentence}\n{others}\n(on this machine)"


def join_command(remote: str) -> str:
    """The command that a contributor types, in a home of their own; the usual address is left out of it."""
    address = "" if remote == f"grpc://{LOOPBACK}:{DEFAULT_PORT}" else f"--remote {remote} "
    return f"ratatouille node join {address}node.toml"


def _for_readers(remote: str) -> str:
    """The option that other commands of this home need, where they would ask another registry."""
    with suppress(Refusal):  # $RATATOUILLE_REMOTE names no remote
        if remote_in_force(None).value == remote:
            return ""
    return f"; other commands: `--remote {remote}`"


def _page(address: str | None, wanted: int | None) -> str:
    """The sentence about the web page."""
    if address is None:
        return "no web page is shown" if wanted is None else MISSING
    instead = "" if f":{wanted}/" in address or not wanted else f" (port {wanted} is taken)"
    return f"web page: {address}{instead}"


def status(remote: Remote = None, as_json: AsJson = False) -> None:
    """Say whether a coordinator is up, and where."""
    from registry.commands.opened import registry_in_force

    force = remote_in_force(remote)
    registry = registry_in_force(remote)
    info = registry.info()
    running = registry.rounds.rounds(ALIVE)
    nodes = registry.work.offers()
    if as_json:
        print_json({"remote": force.value, "info": info, "nodes": len(nodes), "rounds": running})
        return
    fleet = f"up, fleet at {info.fleet}" if info.fleet else "not up"
    print_line(f"registry {force.value} answers ({info.software}); coordinator: {fleet}")
    if info.public:
        certificate = "of a private authority, which invitations name" if info.authority else "known to every system"
        print_line(f"front door: {info.public} (TLS, certificate {certificate})")
    if info.web:
        print_line(f"web page: {info.web} (on the machine of the registry)")
    if info.database:
        print_line(f"its history is in {info.database}, its weights: {info.weights}")
    unconnected = [offer.name for offer in nodes if not offer.hears_orders]
    if unconnected:
        print_line(
            f"known, but no order would reach them: {', '.join(sorted(unconnected))}; their own terminals say why"
        )
    print_line(f"nodes that are here: {len(nodes) - len(unconnected)}; rounds that run or wait: {len(running)}")


def down(
    folder: Home = None,
    seconds: Annotated[float, typer.Option(help="How long to wait for it.")] = 30.0,
) -> None:
    """Stop the coordinator of this machine."""
    from coordinator.supervisor import running_pid

    place = _folder(folder)
    pid = running_pid(place)
    if pid is None:
        raise Refusal(f"no coordinator runs from {place}; `ratatouille coordinator status` asks the remote in force")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while running_pid(place) == pid:
        if time.monotonic() > deadline:
            raise Refusal(f"the coordinator (process {pid}) did not stop within {seconds:.0f} s")
        time.sleep(0.1)
    print_line("the coordinator has stopped; nodes wait for it to come back")


def _folder(folder: Path | None) -> Path:
    return (folder or coordinator_folder()).resolve()
