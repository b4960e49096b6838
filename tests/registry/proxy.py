"""A line between client and service that a test may cut or block in the middle of a transfer."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

from registry.owner_key import owner_key_file

SAYING = (0, 1)
"""HTTP/2 frames that carry data and headers; others only keep the connection going."""


class Proxy:
    """Passes bytes on to a port until it is told otherwise."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("grpc://").rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"grpc://127.0.0.1:{self._listener.getsockname()[1]}"
        self._forward_owner_key()
        self._lines: list[socket.socket] = []
        self._open = threading.Event()
        self._open.set()
        self._silent_answers = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections; new ones may be made."""
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        self._lines.clear()

    def block(self) -> None:
        """Pass nothing on any more, and say nothing of it."""
        self._open.clear()

    def swallow_answers(self) -> None:
        """Throw away what the service says from now on; how much the client may send is still passed on."""
        self._silent_answers = True

    def mend(self) -> None:
        """Pass everything on again, on new connections."""
        self._silent_answers = False
        self.cut()
        self._open.set()

    def close(self) -> None:
        """End everything."""
        self._open.set()
        self._listener.close()
        self.cut()

    def _forward_owner_key(self) -> None:
        """Let clients of this home be the owner at this port too; the service may have made a new key meanwhile."""
        with suppress(OSError):
            shutil.copy(owner_key_file(self._target[1]), owner_key_file(self._listener.getsockname()[1]))

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._forward_owner_key()
                far = socket.create_connection(self._target)
                self._lines += [near, far]
                threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            for data in _frames(source) if answers else iter(lambda: source.recv(65536), b""):
                self._open.wait()
                if not (answers and self._silent_answers and data[3] in SAYING):
                    target.sendall(data)
        for line in (source, target):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


def _frames(source: socket.socket) -> Iterator[bytes]:
    """What a service sends, frame by frame: three bytes of length, one of type, five more, then the content."""
    with source.makefile("rb") as stream:
        while len(head := stream.read(9)) == 9:
            yield head + stream.read(int.from_bytes(head[:3], "big"))
