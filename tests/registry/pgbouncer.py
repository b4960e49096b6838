"""A real PgBouncer of the tests' own, before the tests' PostgreSQL server."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from typing import Literal

import pytest
from sqlalchemy import URL, make_url

from ratatouille.processes import free_port
from tests.registry.postgresql_server import PostgresqlServer

REQUIRED = "RATATOUILLE_REQUIRE_PGBOUNCER"
USER = "pgserver"
"""Whom the server's wheel runs as where we are root; PgBouncer refuses to be root too."""
Mode = Literal["session", "transaction"]


def find_pgbouncer() -> str:
    """The program; skips the test where it is not installed, unless continuous integration says that it must be."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        if os.environ.get(REQUIRED):
            pytest.fail("pgbouncer is not installed")
        pytest.skip("pgbouncer is not installed")
    return found


class PgBouncer:
    """One that is running; `url` gives the address of a database through it."""

    def __init__(self, server: PostgresqlServer, mode: Mode, **settings: object) -> None:
        program = find_pgbouncer()
        self.port = free_port()
        folder = server.folder / f"pgbouncer-{self.port}"
        folder.mkdir()
        host = make_url(server.url("postgres")).query["host"]
        values = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": folder / "users.txt",
            "pool_mode": mode,
            "default_pool_size": 8 if mode == "transaction" else 40,  # a session keeps its connection to the server
            "max_client_conn": 300,
            "logfile": folder / "log",
            "server_login_retry": 1,
            "server_idle_timeout": 1,  # each test has a database, and so a pool, of its own
            **settings,
        }
        lines = [
            "[databases]",
            f"* = host={host}",
            "[pgbouncer]",
            *(f"{key} = {value}" for key, value in values.items()),
        ]
        (folder / "users.txt").write_text('"postgres" ""\n"locked" "wrong"\n"absent" ""\n')
        (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        command = [program, str(folder / "pgbouncer.ini")]
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            for path in (folder, *folder.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)
            command[1:1] = ["-u", USER]
        self.log = folder / "log"
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()

    def url(self, database: str, user: str = "postgres") -> str:
        """The address, through this PgBouncer, of a database whose address on the server is given."""
        name = make_url(database).database
        return URL.create("postgresql", user, None, "127.0.0.1", self.port, name).render_as_string()

    def stop(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=60)

    def _wait(self) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, self.log.read_text()
                time.sleep(0.05)
        raise AssertionError("pgbouncer does not listen")
