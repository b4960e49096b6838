"""A front door of each kind before the same services: ours, and nginx and Caddy as `coordinator proxy` has them."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coordinator.door.certificates import presented
from coordinator.door.config import LoopbackPorts
from coordinator.door.process import find_caddy
from coordinator.door.proxies import proxy_config
from coordinator.door.settings import PublicSettings
from ratatouille.processes import free_port
from tests.coordinator.door.scene import Front, opened
from tests.registry.transport.certificates import Authority

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def front(kind: str, folder: Path, behind: LoopbackPorts, trusted: tuple[str, ...] = ()) -> Iterator[Front]:
    """One of them ("door", "nginx", "caddy"), running; `trusted` are the load balancers that it believes."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "door":
        public = PublicSettings(name="127.0.0.1", port=free_port(), trusted_proxies=trusted)
        with opened(folder, public, behind) as door:
            yield Front(public.port, str(door.authority))
        return
    authority = Authority.make("An organisation")
    pem = authority.certify(folder, ["127.0.0.1"])
    pem.write_bytes(pem.read_bytes() + authority.pem)
    port, file = free_port(), str(pem)
    public = PublicSettings(name="127.0.0.1", port=port, cert=file, key=file, trusted_proxies=trusted, own_proxy=True)
    printed = proxy_config("nginx" if kind == "nginx" else "caddy", public, behind)
    command = _nginx(folder, printed) if kind == "nginx" else _caddy(folder, printed)
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + 60
        while not presented(public.port, public.name):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield Front(public.port, authority.pem.decode())
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def _nginx(folder: Path, printed: str) -> list[str]:
    """What Debian's nginx.conf has around it, without another server."""
    assert NGINX is not None
    (folder / "ratatouille.conf").write_text(printed)
    kinds = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.getuid() == 0 else ""
    http = f"http {{\naccess_log off;\n{places}include {folder}/ratatouille.conf;\n}}\n"
    head = f"{user}worker_processes 2;\ndaemon off;\npid {folder}/pid;\nevents {{ worker_connections 2048; }}\n"
    (folder / "nginx.conf").write_text(head + http)
    command = [NGINX, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert "warn" not in checked.stderr, checked.stderr
    assert checked.returncode == 0, checked.stderr
    return command


def _caddy(folder: Path, printed: str) -> list[str]:
    """An operator's Caddyfile with global options of its own, which keep tests from ports that are not ours."""
    file = folder / "Caddyfile"
    file.write_text(printed.replace("\n{\n", "\n{\n\tadmin off\n\tauto_https disable_redirects\n", 1) + "\n")
    checked = subprocess.run(
        [find_caddy(), "validate", "--config", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "not formatted" not in checked.stderr, "people may run `caddy fmt` on it"
    return [find_caddy(), "run", "--config", str(file)]
