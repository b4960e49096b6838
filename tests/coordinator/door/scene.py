"""A door on loopback with everything behind it, and ways to ask it."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from coordinator.door.config import Behind
from coordinator.door.process import Door
from coordinator.door.settings import PublicSettings
from coordinator.superlink import SuperLink, SuperLinkSettings
from ratatouille.processes import free_port
from registry.server import RegistryServer


@dataclass
class Scene:
    """A door by the name of an address, whose certificate comes from its own authority."""

    door: Door
    superlink: SuperLink
    registry: RegistryServer

    @property
    def port(self) -> int:
        return self.door.public.port

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.door.authority)

    def connect(self, alpn: str = "http/1.1") -> ssl.SSLSocket:
        """A connection as clients of an address make it: without a name in the greeting."""
        context = self.trust
        context.set_alpn_protocols([alpn])
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 60), server_hostname="127.0.0.1")

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
        """One request, whose path goes out as it is."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.trust, timeout=60)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.text = answer.read().decode(errors="replace")  # type: ignore[attr-defined]
        connection.close()
        return answer


@contextmanager
def opened(folder: Path, public: PublicSettings, behind: Behind) -> Iterator[Door]:
    """A door alone."""
    door = Door(folder / "door", public, behind, folder / "door.log")
    try:
        door.start(behind.web)
        door.wait_until_ready(threading.Event())
        yield door
    finally:
        door.stop()


@contextmanager
def everything(folder: Path) -> Iterator[Scene]:
    """A door with a SuperLink, a registry and its page behind it."""
    with ExitStack() as stack:
        superlink = SuperLink(SuperLinkSettings(folder / "superlink", free_port(), public=True))
        stack.callback(superlink.stop)
        superlink.launch()
        registry = RegistryServer(folder / "registry")
        stack.callback(registry.stop, 0.0)
        registry.show(0)
        registry.start()
        page = int(registry._registry.info().web.rstrip("/").rpartition(":")[2])  # type: ignore[union-attr]
        tls = superlink.settings.tls
        assert tls is not None
        behind = Behind(int(registry.address.rpartition(":")[2]), superlink.settings.port, tls, page)
        door = stack.enter_context(opened(folder, PublicSettings(name="127.0.0.1", port=free_port()), behind))
        superlink.wait_until_ready()
        yield Scene(door, superlink, registry)
