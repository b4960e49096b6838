"""The hosts that other tests stand on: names, firewalls, bad lines, cuts and the proxy do what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hosts.network import Host, Line, Network

ROOT = Path(__file__).parents[2]
FETCH = """
import sys, urllib.error, urllib.request
try:
    print(len(urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).read()))
except OSError as error:
    print(getattr(error, "reason", error))
"""


def fetched(host: Host, url: str, seconds: float = 60.0, **more: str) -> str:
    """What a host gets from an address: the length, or the reason why not."""
    done = host.run(sys.executable, "-c", FETCH, url, str(seconds), more=more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_host_behind_a_firewall_reaches_one_port_of_one_name_only(network: Network) -> None:
    door, anna, bruno = network.add("door", also=("ratatouille.example",)), network.add("anna"), network.add("bruno")
    (door.home).mkdir()
    (door.home / "page").write_bytes(b"x" * 1000)
    serve(door, 443)
    serve(door, 80)
    serve(anna, 8000)
    anna.only_to(door.address, 443)
    assert fetched(anna, "http://ratatouille.example:443/page") == "1000"
    assert "timed out" in fetched(anna, "http://ratatouille.example:80/page", 1.0)
    assert "timed out" in fetched(bruno, "http://anna:8000/", 1.0)
    assert fetched(bruno, "http://door:80/page") == "1000"


def test_a_bad_line_delays_and_loses_but_delivers_and_a_cut_line_delivers_nothing(network: Network) -> None:
    door, far = network.add("door"), network.add("far", Line(delay=0.05, loss=0.02, rate=2e6))
    door.home.mkdir()
    (door.home / "page").write_bytes(b"x" * 100_000)
    serve(door, 443)
    assert fetched(far, "http://door:443/page") == "100000"
    far.cut()
    assert "timed out" in fetched(far, "http://door:443/page", 1.0)
    far.mend()
    assert fetched(far, "http://door:443/page") == "100000"


def test_the_office_proxy_passes_on_connect(network: Network, tmp_path: Path) -> None:
    door, proxy, dora = network.add("door"), network.add("proxy"), network.add("dora")
    log = tmp_path / "proxy.log"
    proxy.start(sys.executable, "-m", "benchmarks.hosts.connect_proxy", "3128", log=log, more={"PYTHONPATH": str(ROOT)})
    proxy_up(log)
    dora.only_to(proxy.address, 3128)
    serve(door, 443)
    https = "import http.client,sys;c=http.client.HTTPConnection('proxy',3128,timeout=60);c.set_tunnel('door',443);"
    done = dora.run(sys.executable, "-c", https + "c.request('GET','/');print(c.getresponse().status)")
    assert done.stdout.strip() == "200", done.stderr
    assert "CONNECT door:443" in log.read_text()


def serve(host: Host, port: int) -> None:
    """A small web server on a host; returns once it listens."""
    host.start(sys.executable, "-m", "http.server", str(port), log=host.home.parent / f"{host.name}-{port}.log")
    wait = f"import socket,time\nwhile socket.socket().connect_ex(('127.0.0.1', {port})): time.sleep(0.05)"
    assert host.run(sys.executable, "-c", wait, seconds=60).returncode == 0


def proxy_up(log: Path) -> None:
    """Wait until the proxy listens."""
    try:
        subprocess.run(["sh", "-c", f"until grep -q ready {log}; do sleep 0.05; done"], timeout=60, check=True)
    except subprocess.TimeoutExpired:
        pytest.fail(log.read_text())
