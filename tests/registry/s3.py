"""A real S3 server on this machine: SeaweedFS' `weed mini` on free loopback ports, in a folder of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from ratatouille.errors import RatatouilleError
from ratatouille.processes import free_port
from ratatouille.record import sha256
from registry.blobs.opening import open_store

BUCKET = "weights"
KEY, SECRET = "test-key", "test-secret"
PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"),
    *("s3.port", "s3.port.grpc", "s3.port.lance", "admin.port", "admin.port.grpc"),
)
LITTLE = ("-master.telemetry=false", "-webdav=false", "-admin.ui=false", "-s3.iam=false", "-s3.port.iceberg=0")
START_SECONDS = 60.0


class Weed:
    """One server; `start` after `kill` goes on with the same ports and files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {name: free_port() for name in PORTS}
        self._process: subprocess.Popen[bytes] | None = None
        identity = {"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._ports['s3.port']}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def url(self, prefix: str) -> str:
        """The address of a store in this server."""
        return f"s3://{BUCKET}/{prefix}"

    def start(self) -> None:
        """Start, and return when blobs can be stored and read; the environment must name this server."""
        words = [str(Path(sys.executable).with_name("weed")), "-logtostderr=true", "mini", f"-dir={self._folder}"]
        words += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={self._folder / 's3.json'}", f"-bucket={BUCKET}"]
        words += [f"-{name}={port}" for name, port in self._ports.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*words, *LITTLE], stdout=log, stderr=log, cwd=self._folder)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self._try()
                return
            except RatatouilleError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"weed did not start; see {self._folder / 'log'}") from error
                time.sleep(0.05)

    def _try(self) -> None:
        """Store something new, and read it: a server that lists its bucket may not have found its files yet."""
        store, path = open_store(self.url("ready")), self._folder / "ready"
        path.write_text(str(time.monotonic_ns()))
        digest = sha256(path.read_bytes())
        store.put(path, digest)
        store.read(digest, 0, 10)
        store.remove(digest)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
        for port in self._ports.values():
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                with suppress(FileNotFoundError):
                    socket.unlink()
