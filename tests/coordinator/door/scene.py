"""A door on loopback with everything behind it, and ways to ask it."""

import http.client
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from coordinator.door.config import LoopbackPorts
from coordinator.door.process import Door
from coordinator.door.settings import PublicSettings
from coordinator.superlink import SuperLink, SuperLinkSettings
from ratatouille.processes import free_port
from registry.server import RegistryServer


@dataclass
class Front:
    """What answers on one port of 127.0.0.1, with a certificate of this authority (PEM)."""

    port: int
    authority: str

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority)

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


@dataclass
class Scene(Front):
    """A door by the name of an address, whose certificate comes from its own authority."""

    door: Door
    superlink: SuperLink


@contextmanager
def opened(folder: Path, public: PublicSettings, behind: LoopbackPorts) -> Iterator[Door]:
    """A door alone."""
    door = Door(folder / "door", public, behind, folder / "door.log")
    try:
        door.start(behind.web)
        door.wait_until_ready(threading.Event())
        yield door
    finally:
        door.stop()


@contextmanager
def behind(folder: Path, user: int) -> Iterator[tuple[LoopbackPorts, SuperLink]]:
    """A SuperLink, a registry and its page, as behind a front door that works as this user."""
    with ExitStack() as stack:
        superlink = SuperLink(SuperLinkSettings(folder / "superlink", free_port(), public=True))
        stack.callback(superlink.stop)
        superlink.launch()
        registry = RegistryServer(folder / "registry", behind_door=user)
        stack.callback(registry.stop, 0.0)
        registry.show(0)
        registry.start()
        page = int(registry._registry.info().web.rstrip("/").rpartition(":")[2])  # type: ignore[union-attr]
        tls = superlink.settings.tls
        assert tls is not None
        superlink.wait_until_ready()
        yield LoopbackPorts(int(registry.address.rpartition(":")[2]), superlink.settings.port, tls, page), superlink


@contextmanager
def everything(folder: Path) -> Iterator[Scene]:
    """A door with all of this behind it."""
    public = PublicSettings(name="127.0.0.1", port=free_port())
    with behind(folder, os.getuid()) as (all, superlink), opened(folder, public, all) as door:
        yield Scene(public.port, str(door.authority), door, superlink)
