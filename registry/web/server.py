"""The web server: the pages of a registry on a loopback port, in a thread beside whatever else the process does."""

from __future__ import annotations

import socket
import threading

import uvicorn

from ratatouille.errors import Refusal
from registry.services.registry import Registry
from registry.web.application import application
from registry.web.connections import limited_connections

HOST = "127.0.0.1"
GRACE_SECONDS = 2


class WebServer:
    """A running server; `stop` ends it."""

    def __init__(self, registry: Registry, port: int) -> None:
        """Listen on a port of loopback, or on a free one if that is taken or 0; `start` answers.

        Raises:
            Refusal: when no port can be had.
        """
        self._socket, self.wanted = _listen(port), port
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            application(registry),
            loop="asyncio",
            http=limited_connections(),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    @property
    def address(self) -> str:
        """Where it is, for a browser on this machine."""
        return f"http://{HOST}:{self.port}/"

    @property
    def sentence(self) -> str:
        """Where it is, and why not elsewhere."""
        instead = f"; port {self.wanted} is taken" if self.wanted not in (0, self.port) else ""
        return f"web page at {self.address} (read-only, for this machine only{instead})"

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Let running answers end, and close."""
        self._server.should_exit = True
        self._thread.join(2 * GRACE_SECONDS)
        self._socket.close()


def _listen(port: int) -> socket.socket:
    for one in dict.fromkeys((port, 0)):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, one))
            listening.listen()
        except OSError:
            listening.close()
            continue
        return listening
    raise Refusal("no port of 127.0.0.1 is free for the web page; leave it out with --no-web")
