"""A Caddy in tests: one that runs a Caddyfile, and a door that gives its authority away and leads to a registry."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratatouille.processes import free_port, script
from registry.transport.authority import AUTHORITY_PATH
from registry.transport.diagnosis import line_checks


@contextmanager
def caddy(folder: Path, caddyfile: str, port: int) -> Iterator[None]:
    """A Caddy while the block runs; it listens on the port."""
    file = folder / "Caddyfile"
    file.write_text(caddyfile)
    command = [script("caddy"), "run", "--config", str(file), "--adapter", "caddyfile"]
    environment = {**os.environ, "HOME": str(folder)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not line_checks(f"grpc://localhost:{port}")[-1].good:
                assert process.poll() is None
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


@contextmanager
def door(folder: Path, certificate: Path, authority: bytes, registry: int) -> Iterator[int]:
    """A door on localhost, before a registry's port; its own port."""
    page, port = folder / AUTHORITY_PATH.strip("/"), free_port()
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_bytes(authority)
    caddyfile = f"""{{
        admin off
        auto_https off
    }}
    https://localhost:{port} {{
        tls {certificate} {certificate}
        handle {AUTHORITY_PATH} {{
            root * {folder}
            file_server
        }}
        handle {{
            reverse_proxy h2c://127.0.0.1:{registry}
        }}
    }}"""
    with caddy(folder, caddyfile, port):
        yield port
