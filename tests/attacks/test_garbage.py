"""Garbage that strangers send cannot fill a service's log: one line a minute for each kind, and no traceback."""

import http.client
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from ratatouille.processes import free_port
from registry.transport.wire import SERVICE
from tests.coordinator.federation import wait_until

TIMES = 300


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a registry's service that got a lot of garbage."""
    port, web = free_port(), free_port()
    path = tmp_path / "registry.log"
    command = [sys.executable, "-P", "-m", "registry.server", "--folder", str(tmp_path / "registry")]
    with path.open("wb") as file:
        process = subprocess.Popen([*command, "--port", str(port), "--web-port", str(web)], stdout=file, stderr=file)
    try:
        wait_until(lambda: _answers(port) and _answers(web), 90, "the service answers")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            for number in range(TIMES):
                with suppress(grpc.RpcError):
                    channel.unary_unary(f"/{SERVICE}/Call", bytes, bytes)(b"\xff" * 20, timeout=20)
                with suppress(grpc.RpcError):
                    list(
                        channel.stream_stream(f"/{SERVICE}/Push", bytes, bytes)(
                            iter([b"\x0a\xff\x1b[31m\nforged"]), timeout=20
                        )
                    )
                if number % 10 == 0:
                    _raw(web, b"\x16\x03\x01nonsense\r\n\r\n")
                    _raw(port, b"\xff" * 100)
    finally:
        process.terminate()
        process.wait(60)
    return path


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _raw(port: int, data: bytes) -> None:
    with suppress(OSError, http.client.HTTPException), socket.create_connection(("127.0.0.1", port), 5) as wire:
        wire.sendall(data)
        wire.recv(1000)


def test_garbage_fills_no_log(log: Path) -> None:
    text = log.read_text()
    assert "Traceback" not in text
    assert "forged" not in text
    assert len(text.splitlines()) < 20, text[-3000:]
