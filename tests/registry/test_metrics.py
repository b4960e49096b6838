"""The pages for operators: figures that Prometheus reads, health, readiness, and logs that programs read."""

from __future__ import annotations

import json
import logging
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.printable import LOG_VARIABLE, JsonFormatter, formatter
from registry.opening import open_registry
from registry.server import RegistryServer
from tests.registry.world import World

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryServer]:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    made = RegistryServer(tmp_path / "registry")
    made.show(0)
    made.start()
    yield made
    made.stop(0)


def read(server: RegistryServer, path: str, token: str = "") -> tuple[int, str]:
    registry = open_registry(server.address)
    web = registry.info().web
    registry.close()
    request = urllib.request.Request(f"{web}{path}", headers={"authorization": f"Bearer {token}"} if token else {})
    try:
        with OPENER.open(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def figures(text: str) -> dict[tuple[str, str], float]:
    """Each figure by its name and its labels."""
    return {
        (sample.name, ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_calls_bytes_and_what_the_registry_holds(server: RegistryServer, tmp_path: Path) -> None:
    token_file = tmp_path / "registry" / "metrics.token"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    registry = open_registry(server.address, cache=tmp_path / "cache")
    (tmp_path / "files").mkdir()
    world = World(registry, tmp_path / "files", Signer.open(tmp_path / "key"))
    world.define()
    probed = world.probed()
    with pytest.raises(Refusal):
        registry.versions.resolve("nothing")
    fetched = registry.weights.fetch(str(probed.head))
    status, text = read(server, "metrics", token_file.read_text())
    assert status == 200
    found = figures(text)
    assert found["ratatouille_calls_total", "method=Versions/Resolve,status=failed_precondition"] == 1
    assert found["ratatouille_calls_total", "method=Weights/Push,status=ok"] >= 1
    assert found["ratatouille_call_seconds_count", "method=Weights/Fetch"] == 1
    size = fetched.stat().st_size
    assert found["ratatouille_weights_bytes_total", "direction=sent"] == size > 0
    assert found["ratatouille_weights_bytes_total", "direction=received"] > size
    assert found["ratatouille_versions", ""] == registry.maintenance.usage().versions
    assert found["ratatouille_up", ""] == 1
    assert found["ratatouille_calls_running", "method=Weights/Push"] == 0
    assert ("process_resident_memory_bytes", "") in found
    registry.close()


def test_the_figures_are_for_who_knows_the_token(server: RegistryServer) -> None:
    for token in ("", "wrong", "é"):
        status, text = read(server, "metrics", token.encode("ascii", "ignore").decode())
        assert status == 401
        assert "metrics.token" in text


def test_a_service_says_that_it_lives_and_whether_it_can_work(server: RegistryServer, tmp_path: Path) -> None:
    assert read(server, "health") == (200, "alive\n")
    assert read(server, "ready") == (200, "ready\n")
    registry = open_registry(server.address)
    web = registry.info().web
    registry.close()
    (tmp_path / "registry" / "blobs").rename(tmp_path / "elsewhere")
    try:
        with OPENER.open(f"{web}ready", timeout=60) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    assert status == 503, text
    assert text.startswith("not ready: ")


def test_a_log_in_json_is_one_object_on_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOG_VARIABLE, "json")
    made = formatter()
    assert isinstance(made, JsonFormatter)
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.getLogger("some").makeRecord(
            "some", logging.WARNING, __file__, 1, "anna \x1b[31m\n‮ %s", ("here",), __import__("sys").exc_info()
        )
    line = made.format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    values = json.loads(line)
    assert values["message"] == "anna \x1b[31m\n‮ here"
    assert values["level"] == "warning"
    assert "ValueError: first" in values["traceback"]
