"""The registry over each store: what is damaged is named by every reader; a store elsewhere may go and come back."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination
from ratatouille.weights.canonical import encode
from registry.blobs import windows
from registry.blobs.opening import open_store
from registry.records import Result
from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from tests.registry.behind import direct, replace
from tests.registry.conftest import Start
from tests.registry.s3 import Weed
from tests.registry.test_service import ROOT, a_large_import, a_world
from tests.registry.world import World, head


def of(*results: Result) -> Combination:
    return Combination.model_validate({"parents": [{"version": one.version} for one in results]})


def elsewhere(folder: Path, url: str) -> None:
    """A new registry whose weights lie elsewhere."""
    folder.mkdir()
    (folder / "registry.toml").write_text(f'weights = "{url}"')


BAD: dict[str, Callable[[bytes], bytes | None]] = {
    "corrupt": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "truncated": lambda data: data[:-4],
    "swapped": lambda data: encode(head(99)),
    "empty": lambda data: b"",
    "gone": lambda data: None,
}


@pytest.mark.parametrize("how", BAD)
def test_what_is_wrong_in_the_store_is_named_by_fetch_combine_and_verify(
    world: World, tmp_path: Path, how: str
) -> None:
    start = world.probed()
    one, two = world.tuned(start, 2), world.tuned(start, 3)
    mean = world.registry.work.combine(of(one, two))
    name = str(one.head)[:12]
    replace(world, str(one.head), BAD[how](encode(head(2))))
    with closing(direct(world)) as local, pytest.raises(Refusal, match=name):
        local.weights.fetch(str(one.head))
    with pytest.raises(Refusal, match=name):
        world.registry.weights.fetch(str(one.head))
    with pytest.raises(Refusal, match=name):
        world.registry.work.combine(of(start, one, two))
    for version, what in ((one, "head"), (mean, "average")):
        checks = world.registry.versions.verify(str(version.version)).checks
        failed = [check for check in checks if check.verdict == "wrong"]
        assert [check.what for check in failed] == [what]
        assert name in failed[0].detail
    replace(world, str(one.head), encode(head(2)))
    assert world.registry.weights.fetch(str(one.head)).read_bytes() == encode(head(2))
    assert world.registry.work.combine(of(start, one, two)).version is not None
    assert world.registry.versions.verify(str(mean.version)).ok


def test_an_average_has_the_same_bits_from_a_folder_from_elsewhere_and_past_a_cache_that_is_too_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    averages, kept = {}, {}
    monkeypatch.setattr(windows, "SMALLEST", 64)
    for name, places, budget in (
        ("folder", "", 0),
        ("cached", f'weights = "memory://{tmp_path.name}-a"', 0),
        ("windows", f'weights = "memory://{tmp_path.name}-b"\ncache_megabytes = 0', 1),
    ):
        monkeypatch.setattr(windows, "BUDGET", budget)
        folder = tmp_path / name
        (folder / "files").mkdir(parents=True)
        (folder / "registry").mkdir()
        (folder / "registry" / "registry.toml").write_text(places)
        local = LocalRegistry(folder / "registry")
        world = World(local, folder / "files", Signer.open(tmp_path / "node.key"))
        world.define()
        start = world.probed()
        result = local.work.combine(of(*[world.tuned(start, seed) for seed in range(2, 8)]))
        averages[name] = (result.featurizer, result.head)
        kept[name] = {path.name for path in (folder / "registry" / "cache" / "blobs").glob("*/*")}
        assert local.versions.verify(str(result.version)).ok
        local.close()
    assert len(set(averages.values())) == 1
    assert kept["folder"] == set()
    assert kept["windows"] == {start.featurizer}  # which pushes are compared with again and again; no parent, no result
    assert len(kept["cached"]) == 2 + 2 * 6 + 2


def test_a_fetch_from_elsewhere_goes_on_at_any_offset(s3: Weed, tmp_path: Path) -> None:
    elsewhere(tmp_path / "registry", s3.url(tmp_path.name))
    service = RegistryServer(tmp_path / "registry")
    service.start()
    world = a_world(service.address, tmp_path)
    receipt, files = a_large_import(world)
    digest = str(receipt.featurizer)
    world.registry.weights.push(world.seal(receipt), files)
    shutil.rmtree(tmp_path / "registry" / "cache" / "blobs")

    class BreakError(Exception):
        pass

    def give_up(done: int, total: int) -> None:
        if done > total // 3:
            raise BreakError

    with pytest.raises(BreakError):
        world.registry.weights.fetch(digest, give_up)
    fetched: list[int] = []
    path = world.registry.weights.fetch(digest, lambda done, total: fetched.append(done))
    assert path.read_bytes() == files[digest].read_bytes()
    assert fetched[0] > path.stat().st_size // 3
    world.registry.close()
    service.stop(grace=5)


@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_killed_while_it_uploads_a_push_is_pushed_again_and_nothing_is_lost(
    s3: Weed, make_service: Start, tmp_path: Path, delay: float
) -> None:
    folder, blobs = tmp_path / "registry", s3.url(tmp_path.name)
    elsewhere(folder, blobs)
    first = make_service(folder)
    world = a_world(first.url, tmp_path)
    receipt, files = a_large_import(world)
    digest = str(receipt.featurizer)
    partial, size = folder / "receiving" / digest, files[digest].stat().st_size

    def kill() -> None:
        while partial.exists() and partial.stat().st_size < size:
            time.sleep(0.001)
        time.sleep(delay)
        first.end(signal.SIGKILL)

    killer = threading.Thread(target=kill)

    def all_sent(done: int, total: int) -> None:
        if done == total:
            killer.start()

    with suppress(Unreachable):
        world.registry.weights.push(world.seal(receipt), files, all_sent)
    killer.join()
    assert open_store(blobs).size(digest) in (None, size)
    second = make_service(folder, int(first.url.rsplit(":", 1)[1]))
    sent: list[int] = []
    result = world.registry.weights.push(world.seal(receipt), files, lambda done, total: sent.append(done))
    assert sent == []  # nothing goes over the wire twice
    assert world.registry.versions.verify(str(result.version)).ok
    assert [event.kind for event in world.registry.rounds.events()] == ["version"]
    assert list((folder / "receiving").iterdir()) == []
    assert second.end() == 0


def test_a_store_that_is_away_stops_weights_and_nothing_else(
    own_s3: Weed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere(tmp_path / "registry", own_s3.url("x"))
    service = RegistryServer(tmp_path / "registry")
    service.start()
    world = a_world(service.address, tmp_path)
    start = world.probed()
    tuned = [world.tuned(start, seed) for seed in (2, 3)]
    receipt, files = world.fine_tune(start, 4)
    world.lease(receipt)
    own_s3.kill()
    assert len(world.registry.versions.log()) == 4
    for call in (
        lambda: world.registry.weights.push(world.seal(receipt), files),
        lambda: world.registry.weights.fetch(str(start.head)),
        lambda: world.registry.work.combine(of(*tuned)),
        lambda: world.registry.versions.verify(str(start.version)),
    ):
        with pytest.raises(Unreachable, match="does not answer"):
            call()
    service.sweep()
    assert "the folder was not swept: the store" in caplog.text
    own_s3.start()
    result = world.registry.weights.push(world.seal(receipt), files)
    assert world.registry.versions.verify(str(result.version)).ok
    assert world.registry.work.combine(of(*tuned)).version is not None
    assert world.registry.weights.fetch(str(start.head)).exists()
    assert [event.kind for event in world.registry.rounds.events()].count("rejected") == 0
    world.registry.close()
    service.stop(grace=5)


def test_a_store_that_is_named_wrongly_ends_the_service_with_a_sentence(s3: Weed, tmp_path: Path) -> None:
    elsewhere(tmp_path / "r", "s3://nowhere/x")
    command = [sys.executable, "-m", "registry.server", "--folder", str(tmp_path / "r"), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "the store s3://nowhere/x for weights cannot be used: there is no such bucket; make it, or correct the address"
    )
