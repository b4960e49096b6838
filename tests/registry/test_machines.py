"""Several machines with one PostgreSQL database and one object store; what comes in is in a folder of each."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import select

from ratatouille.errors import RatatouilleError, Refusal, Unreachable
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.averages import CombineJob, gather
from registry.maintainer import Maintainer
from registry.opening import open_registry
from registry.records import LogQuery, Result
from registry.schema import UploadRow
from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from tests.registry.behind import to_s3
from tests.registry.conftest import Start
from tests.registry.postgresql_server import PostgresqlServer
from tests.registry.s3 import Weed
from tests.registry.test_service import a_large_import, script
from tests.registry.test_watching import once_reachable
from tests.registry.world import World

Machine = Callable[[], Path]


@pytest.fixture
def places(postgresql: PostgresqlServer, s3: Weed, beginning: Path, tmp_path: Path) -> str:
    """What each machine's registry.toml says; the database and the store have the beginning."""
    shutil.copytree(beginning / "registry", tmp_path / "moved")
    to_s3(tmp_path / "moved", s3.url(tmp_path.name))
    database = f'database = "{postgresql.begun(beginning / "registry")}"'
    return "\n".join([database, (tmp_path / "moved" / "registry.toml").read_text()])


@pytest.fixture
def machine(places: str, tmp_path: Path) -> Machine:
    """Makes the folder of one more machine."""
    made: list[Path] = []

    def make() -> Path:
        made.append(tmp_path / f"machine{len(made)}")
        made[-1].mkdir(mode=0o700)
        (made[-1] / "registry.toml").write_text(places)
        return made[-1]

    return make


def a_world(url: str | Path, folder: Path, beginning: Path, name: str = "node") -> World:
    (folder / "files").mkdir(exist_ok=True)
    if not (folder / "node.key").exists():
        shutil.copy(beginning / "node.key", folder / "node.key")
    registry = open_registry(url, cache=folder / f"cache {name}")
    return World(registry, folder / "files", Signer.open(folder / f"{name}.key"))


def test_four_publishers_with_inboxes_of_their_own_lose_nothing(
    machine: Machine, beginning: Path, tmp_path: Path
) -> None:
    world = a_world(machine(), tmp_path, beginning)
    start = world.probed()
    receipts = []
    for seed in range(24):
        receipt, _ = world.fine_tune(start, seed)
        world.lease(receipt)
        receipts.append(tmp_path / f"{seed}.json")
        receipts[-1].write_bytes(world.seal(receipt).to_json())
    shares = [receipts[:12], receipts[12:], receipts[6:18], receipts[18:] + receipts[:6]]
    publishers = [
        script("publisher.py", machine(), tmp_path / f"cache{number}", tmp_path / "files", *share)
        for number, share in enumerate(shares)
    ]
    answers: dict[str, set[str | None]] = {}
    for publisher in publishers:
        output, errors = publisher.communicate(timeout=120)
        assert publisher.returncode == 0, errors
        for line in output.splitlines():
            result = Result.from_json(line)
            answers.setdefault(result.work_id, set()).add(result.version)
    assert len(answers) == 24
    assert all(len(versions) == 1 for versions in answers.values())
    tuned = world.registry.versions.log(LogQuery(kind="fine_tune"), limit=100)
    assert len(tuned) == 24
    assert all(world.registry.versions.verify(entry.id).ok for entry in tuned)
    assert [path for path in tmp_path.glob("machine*/receiving/*") if path.stat().st_size] == []
    world.registry.close()


def test_what_one_service_takes_another_gives_and_tells_of(
    machine: Machine, make_service: Start, beginning: Path, tmp_path: Path
) -> None:
    one, two = (
        a_world(make_service(machine()).url, tmp_path, beginning),
        open_registry(make_service(machine()).url, cache=tmp_path / "other"),
    )
    start = one.probed()
    last = two.rounds.events()[-1].number
    watched = two.rounds.watch(last)
    results = [one.tuned(start, seed) for seed in (2, 3)]
    assert [event.subject for event in islice(watched, 2)] == [result.version for result in results]
    fetched = two.weights.fetch(str(results[0].featurizer))
    assert fetched.read_bytes() == (tmp_path / "files" / f"{results[0].featurizer}.safetensors").read_bytes()
    question = Combination(parents=tuple(Parent(version=str(result.version)) for result in results))
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(registry.work.combine, question) for registry in (one.registry, two)]
        first, second = (future.result() for future in made)
    assert first == second
    assert len(two.versions.log(LogQuery(kind="combine"))) == 1
    assert two.versions.verify(str(first.version)).ok
    assert two.info().database.startswith("PostgreSQL 1")
    assert two.info().weights == "s3"
    watched.close()  # type: ignore[attr-defined]
    one.registry.close()
    two.close()


def test_two_machines_that_make_the_same_average_at_once_both_end(
    machine: Machine, beginning: Path, tmp_path: Path
) -> None:
    world = a_world(machine(), tmp_path, beginning)
    start = world.probed()
    parents = tuple(Parent(version=str(world.tuned(start, seed).version)) for seed in (2, 3))
    question = Combination(parents=parents)
    registries = [LocalRegistry(machine()) for _ in range(2)]
    with registries[0].storage.database.read() as connection:
        inputs = gather(connection, question)
    with ExitStack() as stack:
        jobs = [
            stack.enter_context(CombineJob(one.storage.database, one.blobs, question.work_id)) for one in registries
        ]
        for job in jobs:
            job.claim(inputs)
        for job in jobs:
            for part in inputs.parts:
                job.compute(inputs, part)
            job.store()
        for one, job in zip(registries, jobs, strict=True):
            with one.storage.database.write() as connection:
                job.commit(connection)
    with registries[0].storage.database.read() as connection:
        assert connection.execute(select(UploadRow.digest)).all() == []
    for one in registries:
        one.close()
    world.registry.close()


def test_of_two_maintainers_who_release_at_once_one_wins_and_the_other_is_told_by_whom(
    machine: Machine, beginning: Path, tmp_path: Path
) -> None:
    worlds = [a_world(machine(), tmp_path, beginning, name) for name in ("node", "berta")]
    start = worlds[0].probed()
    versions = [str(worlds[0].tuned(start, seed).version) for seed in range(2, 8)]
    people = [Maintainer(world.registry, world.signer, name) for world, name in zip(worlds, "ab", strict=True)]

    def release(who: Maintainer, version: str) -> str:
        try:
            return who.release(version, "stable").version
        except RatatouilleError as error:
            return str(error)

    moves = 0
    with ThreadPoolExecutor(2) as pool:
        for number in range(0, 6, 2):
            said = list(pool.map(release, people, versions[number : number + 2]))
            won = [one for one in said if one in versions]
            assert won
            moves += len(won)
            for one in said:
                assert one in won or "stable was moved by" in one
                assert one in won or "meanwhile" in one
    history = worlds[1].registry.releases.alias_history("stable")
    assert len(history) == moves
    assert [move.before for move in history] == [*[move.version for move in history][1:], None]
    for world in worlds:
        world.registry.close()


def test_a_push_to_a_machine_that_dies_goes_to_another_one(
    machine: Machine, make_service: Start, beginning: Path, tmp_path: Path
) -> None:
    first, second = make_service(machine()), make_service(machine())
    world = a_world(first.url, tmp_path, beginning)
    receipt, files = a_large_import(world)

    def kill(done: int, total: int) -> None:
        if done > total // 2:
            first.end(signal.SIGKILL)

    with pytest.raises(Unreachable):
        world.registry.weights.push(world.seal(receipt), files, kill)
    with closing(open_registry(second.url, cache=tmp_path / "other")) as registry:
        once_reachable(lambda: registry.weights.push(world.seal(receipt), files))
        result = registry.weights.push(world.seal(receipt), files)
        assert registry.versions.verify(str(result.version)).ok
    world.registry.close()


def test_a_machine_that_brings_a_store_of_its_own_is_refused(places: str, beginning: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lonely"
    folder.mkdir()
    (folder / "registry.toml").write_text(places.splitlines()[0])
    with pytest.raises(Refusal, match=r"none of the newest weights that postgresql://.* knows is in .*lonely/blobs"):
        RegistryServer(folder)
    shutil.copytree(beginning / "registry" / "blobs", folder / "blobs", dirs_exist_ok=True)
    service = RegistryServer(folder)
    service.start()
    service.stop(grace=1)
