"""Proxies in the environment: nothing on loopback goes through them, and everything else does.

The federation of tests/coordinator/test_federation.py works though every variable names a proxy that is dead.
"""

import os
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from pathlib import Path

import pytest

from ratatouille.federations import Federation, enter_federation
from ratatouille.processes import free_port
from registry.server import RegistryServer
from tests.registry.transport.certificates import Authority, TlsFront

VARIABLES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
DEAD = "http://127.0.0.1:9"


class ConnectProxy:
    """Takes CONNECT for any host and leads to one port of loopback."""

    def __init__(self, port: int, answer: str = "200 OK") -> None:
        self._answer = answer
        self.asked: list[str] = []
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(caller,), daemon=True).start()

    def _lead(self, caller: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += caller.recv(4096)
        self.asked.append(head.decode())
        if not self._answer.startswith("200"):
            caller.sendall(f"HTTP/1.1 {self._answer}\r\n\r\n".encode())
            caller.close()
            return
        other = socket.create_connection(("127.0.0.1", self._port))
        caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=_copy, args=(other, caller), daemon=True)
        back.start()
        _copy(caller, other)
        back.join()
        caller.close()
        other.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one side has gone


@pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "grpc_proxy"])
def test_another_machine_is_reached_by_the_proxy_and_this_one_without(variable: str, tmp_path: Path) -> None:
    service = RegistryServer(tmp_path / "registry")
    service.start()
    port = int(service.address.rpartition(":")[2])
    proxy = ConnectProxy(port)
    try:
        environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        environment |= {variable: proxy.url, "RATATOUILLE_HOME": str(tmp_path / "home")}
        assert "no version" in said(f"grpc://127.0.0.1:{port}", environment)
        assert proxy.asked == []
        assert "no version" in said("grpc://registry.example:9290", environment)
        assert proxy.asked[0].startswith("CONNECT registry.example:9290 ")
    finally:
        proxy.close()
        service.stop(grace=1)


def said(remote: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-P", "-m", "ratatouille.cli.main", "log", "--remote", remote]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def test_without_a_proxy_that_answers_another_machine_is_said_to_be_away(tmp_path: Path) -> None:
    environment = os.environ | dict.fromkeys(VARIABLES, DEAD) | {"RATATOUILLE_HOME": str(tmp_path)}
    assert "no registry answers at grpc://registry.example" in said(
        f"grpc://registry.example:{free_port()}", environment
    )


def test_a_registry_is_reached_through_tls_by_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = RegistryServer(tmp_path / "registry")
    service.start()
    authority, url = Authority.make("Ours"), "grpcs://front.example:8443"
    certificate = authority.certify(tmp_path, ["front.example"])
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    enter_federation(Federation(address=url, registry="a" * 32, name="anna", role="contributor"), authority.pem)
    with TlsFront(certificate, int(service.address.rpartition(":")[2])) as front:
        proxy = ConnectProxy(front.port)
        environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        environment["HTTPS_PROXY"] = proxy.url.replace("//", "//me:p%40ss@")
        assert "no version" in said("front.example:8443", environment)
        (head,) = proxy.asked
        assert head.startswith("CONNECT front.example:8443 ")
        assert f"Proxy-Authorization: Basic {b64encode(b'me:p@ss').decode()}" in head
        proxy.close()
    service.stop(grace=1)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("407 Proxy Authentication Required", "wants a user and a password; write http://user:password@host:port"),
        ("403 Forbidden", "refuses connections to front.example:8443 (HTTP 403); have that host and port allowed"),
        ("502 Bad Gateway", "cannot reach front.example:8443; check that the coordinator there is up"),
    ],
)
def test_a_proxy_that_does_not_lead_there_is_said_with_its_variable(
    answer: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = ConnectProxy(9, answer)
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    environment |= {"HTTPS_PROXY": proxy.url, "RATATOUILLE_HOME": str(tmp_path)}
    words = " ".join(said("grpcs://front.example:8443", environment).split())
    proxy.close()
    assert f"the proxy {proxy.url.removeprefix('http://')} (of HTTPS_PROXY) {sentence}" in words
