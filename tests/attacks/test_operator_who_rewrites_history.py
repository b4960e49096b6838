"""The operator of a registry's machine: changes rows, leaves some out, or puts an old database back.

What the rows themselves contradict, `verify --all` names. What is consistent in itself, since all hashes were made
anew, a reader is told who saw an earlier head.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from ratatouille.exchange.signing import Signer
from registry.commands.verify import audit
from registry.opening import open_registry
from registry.records import RoundRecord
from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import Called, call
from tests.ratatouille.cli.call import home as home
from tests.registry.behind import hash_again
from tests.registry.world import World


class Operated:
    """A registry with a history, whose operator may do anything between two calls of a reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "registry"
        (folder / "files").mkdir()
        with closing(open_registry(self.folder)) as registry:
            world = World(registry, folder / "files", Signer.open(folder / "node.key"))
            world.define()
            start = world.probed()
            versions = [str(world.tuned(start, seed).version) for seed in (1, 2)]
            for version in versions:
                world.maintainer.release(version, "stable")
        self.versions = versions
        self.copy = folder / "copy.db"

    def goes_on(self, lines: int = 3) -> None:
        with closing(LocalRegistry(self.folder)) as registry:
            for line in range(lines):
                registry.rounds.note("autumn", "note", "x", f"line {line}")

    def keeps_a_copy(self) -> None:
        shutil.copy(self.folder / "registry.db", self.copy)

    def puts_it_back(self) -> None:
        for name in ("registry.db-wal", "registry.db-shm"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.copy(self.copy, self.folder / "registry.db")

    def writes(self, *statements: str) -> None:
        with closing(LocalRegistry(self.folder)) as registry, registry.storage.database.write() as connection:
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
            for statement in statements:
                connection.execute(text(statement))

    def makes_all_hashes_anew(self) -> None:
        with closing(LocalRegistry(self.folder)) as registry, registry.storage.database.write() as connection:
            hash_again(connection)

    def audited(self) -> list[str]:
        with closing(LocalRegistry(self.folder)) as registry:
            return [f"{one.stage}: {one.subject}: {one.detail}" for one in audit(registry).of("wrong")]


@pytest.fixture
def operated(tmp_path: Path) -> Operated:
    return Operated(tmp_path)


@pytest.fixture(params=["folder", "service"])
def reader(request: pytest.FixtureRequest, operated: Operated) -> Callable[..., Called]:
    """Calls a command of a reader; each call finds the service as the operator left it, at another port."""

    def read(*words: str) -> Called:
        if request.param == "folder":
            return call(*words, "--remote", operated.folder)
        service = RegistryServer(operated.folder)
        service.start()
        try:
            return call(*words, "--remote", service.address)
        finally:
            service.stop(grace=1)

    return read


LAST_RELEASE = "(SELECT max(number) FROM changes WHERE kind = 'move')"
LAST_EVENT = "(SELECT max(number) FROM events WHERE kind = 'alias')"
WITHOUT_THE_LAST_RELEASE = (
    f"DELETE FROM aliases WHERE change = {LAST_RELEASE}",
    f"DELETE FROM changes WHERE number = {LAST_RELEASE}",
)
WITHOUT_ITS_ENTRY = (
    f"DELETE FROM leaves WHERE event = {LAST_EVENT}",
    f"DELETE FROM events WHERE number = {LAST_EVENT}",
)


def test_a_database_that_was_rolled_back_is_told_to_a_reader_by_log(
    operated: Operated, reader: Callable[..., Called]
) -> None:
    operated.keeps_a_copy()
    operated.goes_on()
    first = reader("log")
    assert (first.code, first.err) == (0, "")
    operated.puts_it_back()
    second = reader("log")
    assert second.code == 1
    assert second.out == first.out
    assert "it was rolled back from 10 entries to 7" in second.err
    assert "ratatouille registry accept-head" in second.err
    assert second.err.count("\n") == 1
    assert reader("log", "--json").json["versions"]
    assert "rolled back from 10 entries to 7" in reader("verify", "--all").out
    assert "rolled back" in reader("show", "stable").err
    assert "history" in reader("verify", "stable").out
    assert reader("log").code == 1, "a warning does not pass by being shown"


def test_a_release_that_was_deleted_with_its_change_is_named(operated: Operated) -> None:
    assert operated.audited() == []
    operated.writes(*WITHOUT_THE_LAST_RELEASE)
    found = operated.audited()
    assert any(line.startswith("log: entry 6") and "that it is about is missing" in line for line in found), found
    assert any("stable has 1 moves, and the log has 2 of it" in line for line in found), found


def test_a_release_that_was_deleted_with_its_entry_is_told_to_a_reader(
    operated: Operated, reader: Callable[..., Called]
) -> None:
    assert reader("log").code == 0
    operated.writes(*WITHOUT_THE_LAST_RELEASE, *WITHOUT_ITS_ENTRY)
    assert operated.audited() == [], "nothing in the rows contradicts it"
    assert "it was rolled back from 7 entries to 6" in reader("log").err
    operated.goes_on(5)
    assert "it was rewritten before entry 7" in reader("log").err


def test_an_event_in_the_middle_is_named_and_with_new_hashes_it_is_told_to_a_reader(
    operated: Operated, reader: Callable[..., Called]
) -> None:
    assert reader("log").code == 0
    operated.writes("UPDATE events SET text = 'fine_tune: ours' WHERE number = 3")
    assert any("entry 2 (event 3): leaf: the event is not what was entered" in line for line in operated.audited())
    operated.makes_all_hashes_anew()
    assert operated.audited() == [], "nothing in the rows contradicts it"
    assert "it was rewritten before entry 7" in reader("log").err
    operated.goes_on()
    assert "it was rewritten before entry 7" in reader("log").err


def test_a_round_that_was_edited_is_named(operated: Operated) -> None:
    with closing(LocalRegistry(operated.folder)) as registry:
        values = {"id": "4f2a", "name": "spring", "spec": "{}", "state": "requested", "created": 1.0, "changed": 1.0}
        registry.rounds.request_round(RoundRecord.model_validate(values))
        registry.rounds.move_round("4f2a", ["requested"], "done", "as planned")
    assert operated.audited() == []
    operated.writes("UPDATE rounds SET state = 'failed'")
    assert any(
        "round 4f2a is failed, and the log ends with 'spring done: as planned'" in one for one in operated.audited()
    )
    operated.writes("UPDATE rounds SET state = 'done', spec = '{ }'")
    assert any("the round's settings are not what was entered" in one for one in operated.audited())
    operated.writes("DELETE FROM rounds")
    assert any("round 4f2a is missing" in one for one in operated.audited())


def test_heads_by_another_key_are_told_to_a_reader(operated: Operated, reader: Callable[..., Called]) -> None:
    assert reader("log").code == 0
    (operated.folder / "log.key").unlink()
    assert "its heads were signed by key" in reader("log").err


def test_a_registry_that_stops_to_sign_heads_is_told_to_a_reader(
    operated: Operated, reader: Callable[..., Called]
) -> None:
    assert reader("log").code == 0
    operated.writes("DELETE FROM leaves WHERE position = 3")
    answer = reader("log")
    assert answer.code == 1
    assert "entries of this registry's log are missing" in answer.err


def test_two_histories_are_found_by_two_readers_who_compare(
    operated: Operated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("log", "--remote", operated.folder).code == 0
    fork = tmp_path / "fork"
    shutil.copytree(operated.folder, fork)  # with the key of the log
    operated.goes_on()
    file = tmp_path / "head.json"
    assert call("registry", "head", "--remote", operated.folder, "--output", file).code == 0
    assert call("registry", "head", "--remote", operated.folder, "--check", file).code == 0
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "another home"))
    with closing(LocalRegistry(fork)) as registry:
        for line in range(4):
            registry.rounds.note("autumn", "note", "x", f"another line {line}")
    assert call("log", "--remote", fork).code == 0, "one reader alone sees nothing wrong"
    found = call("registry", "head", "--remote", fork, "--sign", file)
    assert found.code == 1
    assert "the registry shows two histories" in found.err
    assert call("registry", "head", "--remote", operated.folder, "--json").json["witnesses"] == []
