"""An audit over every implementation: what the registry wrote is right, and whatever was changed is named."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, Signer, _message
from ratatouille.exchange.version import Combination, Parent
from ratatouille.record import sha256
from registry.audit.stages import STAGES, page
from registry.commands.verify import Audit, audit
from registry.records import AuditPlace, Finding, Result
from registry.services.local import LocalRegistry
from registry.storage import Storage
from tests.registry.behind import change, direct, hash_again, replace, store_of
from tests.registry.conftest import WORLDS, make_world
from tests.registry.world import World


def make(world: World) -> dict[str, Result]:
    """A history with one of everything."""
    start = world.probed()
    first, second = world.tuned(start, 2), world.tuned(start, 3)
    parents = tuple(Parent(version=str(one.version)) for one in (first, second))
    average = world.registry.work.combine(Combination(parents=parents), message="uniform of 2")
    world.work(world.evaluation(average), {})
    world.maintainer.release(str(first.version), "stable")
    world.maintainer.release(str(average.version), "stable", "better")
    world.maintainer.tag(str(average.version), "spring")
    world.maintainer.review(str(second.version), "quarantined", "it was copied")
    world.maintainer.review(str(second.version), "rejected", "it was")
    return {"start": start, "first": first, "second": second, "average": average}


Made = tuple[Path, dict[str, Result]]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory, beginning: Path) -> Made:
    """The history in a folder, which the tests copy to every kind of registry: they change rows and files in it."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(beginning, folder, dirs_exist_ok=True)
    world = World(LocalRegistry(folder / "registry"), folder / "files", Signer.open(folder / "node.key"))
    made = make(world)
    world.registry.close()
    return folder, made


@pytest.fixture
def made(made_once: Made) -> dict[str, Result]:
    return made_once[1]


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path, made_once: Made) -> Iterator[World]:
    """Every kind of registry, with the history."""
    yield from make_world(request, tmp_path, made_once[0])


@pytest.fixture(params=WORLDS)
def empty_world(request: pytest.FixtureRequest, tmp_path: Path, beginning: Path) -> Iterator[World]:
    """Every kind of registry, without the history."""
    yield from make_world(request, tmp_path, beginning)


def bytes_of(world: World, digest: str | None) -> bytes:
    return b"".join(bytes(block) for block in store_of(world).stream(str(digest)))


def wrong(world: World) -> list[Finding]:
    return audit(world.registry).of("wrong")


def test_nothing_is_wrong_with_what_the_registry_wrote(empty_world: World) -> None:
    world = empty_world
    make(world)
    seen: list[tuple[str, int, int]] = []
    whole = audit(world.registry, lambda *step: seen.append(step))
    assert whole.findings == []
    assert whole.ok
    counts = {stage: count for stage, count in whole.looked.items() if stage not in ("references", "definitions")}
    assert counts == {
        "log": 13,
        "receipts": 5,
        "versions": 5,
        "changes": 5,
        "aliases": 2,
        "scores": counts["scores"],
        "weights": 8,
        "averages": 1,
        "files": 8,
    }
    assert seen[-1] == ("files", 8, 8)
    assert whole.bytes > 0


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda good, other: good[:-1] + b"!", "holds damaged bytes"),
        (lambda good, other: good[:-1], "bytes instead of"),
        (lambda good, other: other, "holds the bytes of other weights"),
        (lambda good, other: None, "are missing in the registry's store"),
    ],
    ids=["corrupt", "truncated", "swapped", "missing"],
)
def test_a_bad_file_is_named_with_the_versions_that_have_it(
    world: World, made: dict[str, Result], damage: Callable[[bytes, bytes], bytes | None], sentence: str
) -> None:
    digest = str(made["first"].featurizer)
    replace(world, digest, damage(bytes_of(world, digest), bytes_of(world, made["second"].featurizer)))
    weights, average = wrong(world)
    assert (weights.stage, weights.subject, weights.versions) == ("weights", digest, (made["first"].version,))
    assert sentence in weights.detail
    assert (average.stage, average.subject) == ("averages", made["average"].version)
    assert f"weights {digest[:12]}… are " in average.detail


def test_a_file_that_many_versions_have_is_read_once_and_names_them_all(world: World, made: dict[str, Result]) -> None:
    digest = str(made["start"].featurizer)
    replace(world, digest, b"!" + bytes_of(world, digest)[1:])
    (finding,) = wrong(world)
    foundation = world.registry.versions.show(str(made["start"].version)).entry.version.parents[0].version
    assert finding.versions == (foundation, made["start"].version)
    assert finding.affected == 2


def test_collected_weights_cannot_be_checked_and_are_not_wrong(world: World, made: dict[str, Result]) -> None:
    digest = str(made["first"].head)
    replace(world, digest, None)
    change(world, f"UPDATE blobs SET collected = {time.time()} WHERE digest = '{digest}'")
    whole = audit(world.registry)
    assert whole.verdict == "not checkable"
    assert not whole.ok
    assert [(one.stage, one.subject) for one in whole.of("not checkable")] == [
        ("weights", digest),
        ("averages", made["average"].version),
    ]
    report = world.registry.versions.verify(str(made["first"].version))
    assert report.verdict == "not checkable"
    assert not report.ok
    assert [check.what for check in report.checks if check.verdict != "ok"] == ["head"]


def test_a_file_that_no_version_has_is_listed_and_harmless(world: World, made: dict[str, Result]) -> None:
    (world.folder / "orphan").write_bytes(b"nobody's")
    digest = sha256(b"nobody's")
    store_of(world).put(world.folder / "orphan", digest)
    whole = audit(world.registry)
    assert whole.ok
    assert [(one.kind, one.subject, one.detail) for one in whole.findings] == [
        ("unreferenced", digest, "8 bytes that no version has")
    ]


TAMPERING = {
    "a version's record": (
        "UPDATE versions SET record = replace(record, 'uniform', 'greedy') WHERE rule = 'combine'",
        "versions",
        "the record hashes to",
    ),
    "a version's weights": (
        "UPDATE versions SET head = (SELECT head FROM versions WHERE number = 3) WHERE number = 4",
        "versions",
        "columns: head is",
    ),
    "a version's maker": (f"UPDATE versions SET node = '{'1' * 64}' WHERE number = 4", "versions", "receipt: node is"),
    "a version's question": (f"UPDATE versions SET work_id = '{'1' * 64}' WHERE number = 5", "versions", "work_id is"),
    "a version's state": ("UPDATE versions SET state = 'fine' WHERE number = 4", "versions", "'fine' is no state"),
    "a retraction that nobody signed": (
        "UPDATE versions SET state = 'retracted' WHERE number = 4",
        "versions",
        "nobody signed that",
    ),
    "an edge": (
        "UPDATE parents SET parent = (SELECT id FROM versions WHERE number = 1) "
        "WHERE child = (SELECT id FROM versions WHERE number = 4)",
        "versions",
        "the lineage names other parents",
    ),
    "a length": ("UPDATE blobs SET size = size + 1 WHERE part = 'head'", "versions", "the head's length is"),
    "a receipt's words": (
        "UPDATE contributions SET sealed = replace(sealed, '[5,1]', '[6,1]') WHERE kind = 'fine_tune'",
        "receipts",
        "the signature of this receipt is not by key",
    ),
    "a receipt's time": ("UPDATE contributions SET seconds = 1 WHERE kind = 'fine_tune'", "receipts", "seconds is 1.0"),
    "a receipt's state": ("UPDATE contributions SET state = 'rejected' WHERE kind = 'probe'", "receipts", "rejected"),
    "counts": (
        "UPDATE evaluations SET confusion = '[[4,1],[0,4]]' WHERE split = 'test'",
        "receipts",
        "a confusion matrix on sketch/test/all is not what the receipt counts",
    ),
    "counts that are gone": ("DELETE FROM evaluations WHERE split = 'test'", "receipts", "confusion matrices is 0"),
    "an alias's target": (
        "UPDATE aliases SET version = (SELECT id FROM versions WHERE number = 1) WHERE number = 2",
        "changes",
        "the move of the alias is not what was signed",
    ),
    "an alias's past": (
        "UPDATE aliases SET version = (SELECT id FROM versions WHERE number = 1) WHERE number = 1",
        "aliases",
        "where it pointed before is",
    ),
    "a move that nobody signed": (
        "INSERT INTO aliases (number, name, version, before, undo, message, at) "
        "SELECT 3, 'stable', before, version, undo, '', 0 FROM aliases WHERE number = 2",
        "aliases",
        "nobody signed this move",
    ),
    "a move that was taken out": ("DELETE FROM aliases WHERE number = 2", "changes", "that it signs is missing"),
    "a tag": (
        "UPDATE tags SET version = (SELECT id FROM versions WHERE number = 1)",
        "changes",
        "the tag is not what was signed",
    ),
    "a change's words": (
        "UPDATE changes SET sealed = replace(sealed, 'better', 'bitter')",
        "changes",
        "the signature of this move is not by key",
    ),
    "a review's state": (
        "UPDATE reviews SET state = 'admitted'",
        "changes",
        "the standing review of its version is not what follows from the signed ones",
    ),
    "a review that was taken out": ("DELETE FROM reviews", "changes", "the standing review of its version is missing"),
    "a review that nobody signed": (
        "INSERT INTO reviews SELECT (SELECT id FROM versions WHERE number = 3), state, reason, evidence, "
        '"by", change, at FROM reviews',
        "references",
        "nobody signed the review of version",
    ),
    "a task": ("UPDATE tasks SET record = replace(record, 'cat', 'cow')", "definitions", "the record hashes to"),
    "a task's name": ("UPDATE tasks SET name = 'cows'", "definitions", "name is cows, not pets"),
    "an architecture": (
        "UPDATE architectures SET record = replace(record, 'symmetric', 'same')",
        "definitions",
        "the record hashes to",
    ),
    "a setting": ("INSERT INTO settings VALUES ('reserve_bytes', '\"much\"')", "definitions", "settings"),
    "an event's words": ("UPDATE events SET text = 'nothing' WHERE number = 7", "log", "not what was entered"),
    "an event that nobody entered": (
        "INSERT INTO events (number, at, kind, subject, text) VALUES (100, 1, 'version', 'x', 'forged')",
        "log",
        "event 100: it has no entry",
    ),
    "an event without an entry": ("DELETE FROM leaves WHERE event = 8", "log", "1 entries before it are missing"),
    "what an event is about": ("UPDATE leaves SET about = NULL WHERE about IS NOT NULL", "log", "not what was entered"),
    "a hash": (
        "UPDATE leaves SET nodes = substr(nodes, 1, 64) || substr(nodes, 1, 64) WHERE position = 1",
        "log",
        "hashes",
    ),
    "counts of weights that no version has": (
        f"UPDATE evaluations SET head = '{'1' * 64}' WHERE split = 'test'",
        "references",
        "no version has the featurizer and the head 111111111111",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_rows_that_were_changed_are_found(world: World, what: str) -> None:
    statement, stage, sentence = TAMPERING[what]
    change(world, statement)
    found = [one for one in wrong(world) if one.stage == stage]
    assert any(sentence in f"{one.subject}: {one.detail}" for one in found), found


def test_references_that_lead_nowhere_are_found(world: World) -> None:
    local = direct(world)
    with local.publisher.database.read() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        connection.rollback()
        cursor = raw.cursor()
        if connection.dialect.name == "postgresql":  # the tests' user may do what nobody should
            raw.read_only = False
            begin = ("SET session_replication_role = replica", "SELECT 1")
        else:
            begin = ("PRAGMA foreign_keys=OFF", "BEGIN")
        for statement in (*begin, "DELETE FROM architectures", "DELETE FROM changes WHERE kind = 'tag'", "COMMIT"):
            cursor.execute(statement)
    local.close()
    found = {(one.subject, one.detail) for one in wrong(world) if one.stage == "references"}
    assert {subject for subject, _ in found} == {"tags.change", "versions.architecture"}
    assert any("(5 broken)" in detail for _, detail in found)


def test_pages_of_any_length_find_the_same(world: World, made: dict[str, Result]) -> None:
    digest = str(made["first"].head)
    replace(world, digest, bytes_of(world, digest)[:-1] + b"!")
    whole, local = audit(world.registry), direct(world)
    short, place = Audit(), None
    while True:
        one = page(Storage(local.publisher.database, local.blobs), place, seconds=0)
        short.findings += one.findings
        short.looked[one.stage] = short.looked.get(one.stage, 0) + one.looked
        place = one.following
        if place is None:
            break
    local.close()
    assert (short.findings, short.looked) == (whole.findings, whole.looked)


def test_what_comes_while_it_runs_is_looked_at_when_its_turn_is_still_to_come(
    world: World, made: dict[str, Result]
) -> None:
    place = world.registry.maintenance.audit(None).following
    assert place is not None
    world.tuned(made["start"], 9)
    looked: Counter[str] = Counter()
    while place is not None:
        one = world.registry.maintenance.audit(place)  # a stage takes as many pages as its time asks for
        looked[one.stage] += one.looked
        place = one.following
        assert one.findings == ()
    assert looked["versions"] == 6
    assert looked["weights"] == 10


def test_a_receipt_by_software_of_another_release_cannot_be_checked(
    world: World, made: dict[str, Result], tmp_path: Path
) -> None:
    local = direct(world)
    with local.publisher.database.write() as connection:
        row = connection.execute(text("SELECT sealed FROM contributions WHERE kind = 'evaluate'")).scalar_one()
        connection.execute(text("DELETE FROM evaluations WHERE split = 'test'"))
        connection.execute(text("DELETE FROM scores WHERE split = 'test'"))
        body = row.partition('"body":"')[2].partition('","node"')[0].replace('\\"', '"')
        older = body.replace('"note":""', '"note":"","mood":"good"')
        signer = Signer.open(tmp_path / "node.key")
        sealed, digest = sealed_as_it_is(signer, older)
        connection.execute(
            text("UPDATE contributions SET sealed = :sealed, receipt = :digest WHERE kind = 'evaluate'"),
            {"sealed": sealed, "digest": digest},
        )
        hash_again(connection, {sha256(Sealed.from_json(row).body.encode()): digest})
    local.close()
    whole = audit(world.registry)
    assert whole.verdict == "not checkable"
    assert [(one.subject, one.kind) for one in whole.findings] == [(digest, "not checkable")]


def sealed_as_it_is(signer: Signer, body: str) -> tuple[str, str]:
    """Sign text as a receipt, whatever it says."""

    signature = signer._key.sign(_message(Receipt, body.encode())).hex()
    return Sealed(body=body, node=signer.node, signature=signature).to_json().decode(), sha256(body.encode())


@pytest.mark.parametrize("after", ["", "~", "-1", "9" * 200, "' OR 1=1"])
def test_any_place_is_a_place(world: World, after: str) -> None:
    for stage in STAGES:
        assert world.registry.maintenance.audit(AuditPlace(stage=stage, after=after)).findings == ()


def test_a_damaged_database_is_said_and_does_not_stop_the_audit(tmp_path: Path, beginning: Path) -> None:
    shutil.copytree(beginning / "registry", tmp_path / "registry")
    local = LocalRegistry(tmp_path / "registry")
    path = tmp_path / "registry" / "registry.db"
    local.close()
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):  # every page but the first, which says what there is
        data[start : start + 8] = os.urandom(8)
    path.write_bytes(data)
    ground = Storage(local.publisher.database, local.blobs)
    one = page(ground, None)
    assert any(finding.kind == "wrong" for finding in one.findings)
