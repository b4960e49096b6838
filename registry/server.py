"""The process of a registry: gRPC in front of a folder, and the web page beside it.

`python -m registry.server --folder FOLDER --port PORT --web-port PORT`. Loopback only for now, without TLS, and it
says so. SIGTERM lets running calls end; kill -9 loses nothing that was acknowledged. The servicer in
`registry.transport` answers the calls.
"""

from __future__ import annotations

import argparse
import gc
import logging
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ratatouille.errors import RatatouilleError, Refusal, Unavailable, Unreachable
from ratatouille.exchange.signing import Signer
from ratatouille.printable import log_printably, print_or_log
from ratatouille.processes import stop_on_signals
from ratatouille.processes.throttle import ThrottleFilter
from ratatouille.proxies import go_straight_to_loopback, host_and_port
from registry.owner_key import OwnerKey, new_seed, remove_owner_key, write_owner_key
from registry.services.local import LocalRegistry
from registry.transport.arrivals import OtherServices
from registry.transport.metrics import Metrics
from registry.transport.servicer import Servicer
from registry.transport.wire import SERVER_OPTIONS, SERVICE, describe
from registry.web import MISSING, can_open_page, open_page

if TYPE_CHECKING:
    from registry.web.server import WebServer


_log = logging.getLogger(__name__)
DRAIN_SECONDS = 30.0
END_SECONDS = DRAIN_SECONDS + 10.0
"""The process ends within this time after a signal."""
SWEEP_SECONDS = 3600.0
OTHER_THREADS = 16
"""For health and reflection; the registry's own calls have threads of their own (`Servicer`)."""


class RegistryServer:
    """A running service; `stop` ends it."""

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        coordinator: str | None = None,
        behind_door: int | None = None,
    ) -> None:
        """Open the folder and listen; port 0 takes a free one. `coordinator` is the only key that may announce itself,
        and `behind_door` is the user (a number) whose front door passes calls on; None for no door.

        Raises:
            Refusal: for a folder or store that cannot be used, an address that is not loopback, or a taken port.
        """
        if host not in ("127.0.0.1", "localhost", "::1"):
            raise Refusal(f"{host} is not this machine's loopback; without TLS the registry listens on 127.0.0.1 only")
        seed = new_seed()
        self._registry = LocalRegistry(folder, coordinator, owner=Signer.of_seed(bytes.fromhex(seed)).node)
        _check(self._registry)
        self._page: WebServer | None = None
        self._metrics = Metrics(self._registry)
        self._server = grpc.server(
            ThreadPoolExecutor(OTHER_THREADS, thread_name_prefix="registry"),
            interceptors=[self._metrics.interceptor(), OtherServices(OTHER_THREADS)],
            # without this option two services share one port, and each gets some of the calls
            options=[
                *SERVER_OPTIONS,
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers((Servicer(self._registry, behind_door),))
        reflection.enable_server_reflection(
            (SERVICE, *describe(), health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        try:
            bound = self._server.add_insecure_port(host_and_port(host, port))
        except RuntimeError:
            bound = 0
        if not bound:
            self._registry.close()
            raise Refusal(f"port {port} of {host} is taken; stop what listens there, or choose another with --port")
        self.address = f"grpc://{host_and_port(host, bound)}"
        registry = self._registry.members.challenge().registry
        self._owner_key = OwnerKey(registry=registry, host="127.0.0.1" if host == "localhost" else host, seed=seed)
        self._port = bound
        self._owner_key_file: Path | None = None

    def start(self) -> None:
        """Answer from now on."""
        self.sweep()
        self._owner_key_file = write_owner_key(self._port, self._owner_key)
        self._server.start()
        self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)

    def show(self, port: int) -> str:
        """Show the web page too, beside gRPC; returns a sentence that says where, or why not."""
        if not can_open_page():
            return MISSING
        from registry.web.operating import Operating, metrics_token  # needs the page's libraries

        token, sessions = metrics_token(self._registry.folder), self._registry.sessions
        operating = Operating(self._check_now, self._metrics.text, token, sessions)
        self._page = open_page(self._registry, port, operating)
        self._registry.web = self._page.address
        return self._page.sentence

    def _check_now(self) -> None:
        """See whether database and store can be used."""
        self._registry.info()
        self._registry.check()

    def sweep(self) -> None:
        """Remove what broken transfers left long ago. A failure is logged only: this can wait, and calls go on."""
        try:
            self._registry.publisher.sweep()
        except Unavailable as error:
            _log.warning("the folder was not swept: %s", error)
        except Exception:
            _log.exception("the folder was not swept; it is tried again in %.0f seconds", SWEEP_SECONDS)

    def stop(self, grace: float = DRAIN_SECONDS) -> None:
        """Take no new calls, end the streams of watchers, let other calls end for `grace` seconds, and close."""
        self._health.enter_graceful_shutdown()
        if self._owner_key_file is not None:
            remove_owner_key(self._owner_key_file, self._owner_key)
        self._registry.watching.close()
        if self._page is not None:
            self._page.stop()
        self._server.stop(grace).wait()
        self._registry.close()


def _check(registry: LocalRegistry) -> None:
    """Refuse a wrong store. One that does not answer is only logged, since the history can be read meanwhile."""
    try:
        registry.check()
    except Unreachable as error:
        _log.warning("%s", error)
    except RatatouilleError:
        registry.close()
        raise


def serve(
    folder: Path,
    port: int,
    host: str = "127.0.0.1",
    ready: Callable[[str], None] = print,
    web: int | None = None,
    coordinator: str | None = None,
    behind_door: int | None = None,
) -> None:
    """Run a service until a signal of `ENDING`; it ends within `END_SECONDS`.

    Args:
        folder: the registry's folder.
        port: where to listen; 0 takes a free one.
        host: a loopback address.
        ready: called with one line with the address, once calls are answered, and with one about the web page.
        web: port of the web page, a free one if that is taken; None for no page.
        coordinator: key of the coordinator that starts it; None for a registry without one.
        behind_door: number of the user whose front door passes calls on, and says for which address; None for none.
    """
    stop = stop_on_signals(END_SECONDS)
    _open_many_files()
    for name in ("grpc._common", "uvicorn.error"):  # bytes that are no request: anyone may send them without end
        logging.getLogger(name).addFilter(ThrottleFilter())
    service = RegistryServer(folder, host, port, coordinator, behind_door)
    about_page = None if web is None else service.show(web)  # first, so that `info` knows it from the beginning
    service.start()
    gc.freeze()  # imported modules stay for ever: collections at long answers leave them out
    ready(f"registry {folder} at {service.address} (loopback without TLS: only its user may write)")
    if about_page is not None:
        ready(about_page)
    while not stop.wait(SWEEP_SECONDS):
        service.sweep()
    service.stop()


def _open_many_files() -> None:
    """A combination maps each of its parents; systems often allow 1024 open files by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    """The process's entry."""
    parser = argparse.ArgumentParser(prog="python -m registry.server", description="Serve a registry folder over gRPC.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9290, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--web-port", type=int, help="show the web page there; 0 takes a free one")
    parser.add_argument("--coordinator", help="key of the only coordinator that may announce itself")
    parser.add_argument(
        "--behind-door", type=int, metavar="UID", help="believe x-forwarded-for of this user's programs"
    )
    arguments = parser.parse_args()
    go_straight_to_loopback()
    log_printably()
    try:
        serve(
            arguments.folder,
            arguments.port,
            arguments.host,
            print_or_log,
            arguments.web_port,
            arguments.coordinator,
            arguments.behind_door,
        )
    except RatatouilleError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
