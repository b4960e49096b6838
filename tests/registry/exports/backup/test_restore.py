from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import MetaData, insert, select

from ratatouille.errors import Refusal
from ratatouille.record import canonical_json, sha256
from registry.commands.verify import audit
from registry.database import HEAD, Database
from registry.exports.backup.folder import BLOBS, MANIFEST, TABLES, Manifest, TableFile, read_manifest, write_manifest
from registry.exports.backup.restore import empty_database, restore
from registry.services.local import LocalRegistry
from registry.storage_config import FILE, StorageConfig
from tests.registry.exports.backup.conftest import Make
from tests.registry.exports.backup.test_round_trip import own, saved
from tests.registry.world import World


@pytest.fixture
def backup(world: World, tmp_path: Path) -> Path:
    saved(own(world), tmp_path / "backup")
    return tmp_path / "backup"


def changed(backup: Path, **changes: object) -> None:
    """Change the manifest."""
    manifest = json.loads((backup / MANIFEST).read_bytes())
    (backup / MANIFEST).write_bytes(canonical_json(manifest | changes))


def damage(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-2] + b"!\n")


def table(backup: Path, name: str) -> Path:
    (path,) = (backup / TABLES).glob(f"{name}.*")
    return path


def weights(backup: Path) -> Path:
    return min(path for path in (backup / BLOBS).rglob("*") if path.is_file())


def in_place_of(path: Path) -> None:
    path.unlink()
    path.mkdir()


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "no manifest": (lambda backup: (backup / MANIFEST).unlink(), "there is no backup in"),
    "a manifest that is none": (lambda backup: changed(backup, tables="all"), "is no manifest of a backup"),
    "newer software": (lambda backup: changed(backup, revision="0999"), "newer software .schema 0999.*upgrade"),
    "another format": (lambda backup: changed(backup, format=2), "is no manifest of a backup that this software reads"),
    "a table's damage": (lambda backup: damage(table(backup, "versions")), "versions.* is damaged"),
    "a table's loss": (lambda backup: table(backup, "versions").unlink(), "versions.* is missing"),
    "weights' damage": (lambda backup: damage(weights(backup)), "are missing or damaged in the backup"),
    "a folder for a manifest": (lambda backup: in_place_of(backup / MANIFEST), "cannot be read: Is a directory"),
    "weights' loss": (lambda backup: weights(backup).unlink(), "are missing or damaged in the backup"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_backup_that_is_not_whole_is_refused_and_no_row_is_restored(backup: Path, tmp_path: Path, what: str) -> None:
    spoil, sentence = BAD[what]
    spoil(backup)
    with pytest.raises(Refusal, match=sentence):
        restore(backup, tmp_path / "far", StorageConfig())
    there = LocalRegistry(tmp_path / "far")
    assert there.versions.log() == []
    assert there.definitions.tasks() == []
    there.close()


def raw(backup: Path, name: str, data: bytes) -> None:
    """Put bytes in the place of a table, digest and all."""
    path, manifest = table(backup, name), json.loads((backup / MANIFEST).read_bytes())
    (entry,) = (one for one in manifest["tables"] if one["table"] == name)
    entry |= {"sha256": sha256(data), "size": len(data)}
    path.unlink()
    (backup / TABLES / f"{name}.{sha256(data)}.jsonl").write_bytes(data)
    (backup / MANIFEST).write_bytes(canonical_json(manifest))


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b"\xff"], ids=["half", "nested", "no UTF-8"])
def test_lines_that_are_no_json_are_refused(backup: Path, tmp_path: Path, data: bytes) -> None:
    raw(backup, "blobs", data)
    with pytest.raises(Refusal, match=r"line 1 of .*blobs.* is no JSON"):
        restore(backup, tmp_path / "far", StorageConfig())


def test_a_backup_without_a_list_of_its_weights_is_refused(backup: Path, tmp_path: Path) -> None:
    manifest = json.loads((backup / MANIFEST).read_bytes())
    changed(backup, tables=[one for one in manifest["tables"] if one["table"] != "blobs"])
    with pytest.raises(Refusal, match="has 0 lists of its weights"):
        restore(backup, tmp_path / "far", StorageConfig())


def rewritten(backup: Path, name: str, change: Callable[[dict[str, object]], object]) -> None:
    """Change the rows of a table as somebody with other software could, digests and all."""
    manifest = read_manifest(backup)
    assert manifest is not None
    rows = [change(json.loads(line)) for line in table(backup, name).read_bytes().splitlines()]
    data = b"".join(canonical_json(row) + b"\n" for row in rows)
    made = TableFile(table=name, sha256=sha256(data), size=len(data), rows=len(rows))
    (backup / made.path).write_bytes(data)
    tables = tuple(made if one.table == name else one for one in manifest.tables)
    write_manifest(backup, manifest.model_copy(update={"tables": tables}))


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("tasks", lambda row: row | {"colour": "red"}, "line 1 of .*tasks.* has other columns than"),
        ("tasks", lambda row: row | {"name": ["pets"]}, "line 1 of .*tasks.* has other columns than"),
        ("tasks", lambda row: "nothing", "line 1 of .*tasks.* has other columns than"),
        ("blobs", lambda row: row | {"digest": "../../../../etc/passwd"}, "line 1 of .*blobs.* names no weights"),
        ("blobs", lambda row: row | {"digest": None}, "line 1 of .*blobs.* names no weights"),
        ("blobs", lambda row: row | {"size": "much"}, "line 1 of .*blobs.* names no weights"),
        ("blobs", lambda row: [1], "line 1 of .*blobs.* names no weights"),
        ("versions", lambda row: row | {"created": "x"}, "(could not convert|invalid input syntax)"),
        ("parents", lambda row: row | {"parent": "0" * 64}, "does not take the backup"),
        ("versions", lambda row: row | {"number": 1}, "does not take the backup"),
    ],
)
@pytest.mark.parametrize("end", ["SQLite", "PostgreSQL"])
def test_rows_that_fit_no_schema_are_refused(
    backup: Path,
    tmp_path: Path,
    places: Make,
    end: str,
    name: str,
    change: Callable[[dict[str, object]], object],
    sentence: str,
) -> None:
    rewritten(backup, name, change)
    with pytest.raises(Refusal, match=sentence):
        restore(backup, tmp_path / "far", places(end))
    there = LocalRegistry(tmp_path / "far")
    assert there.definitions.tasks() == []
    there.close()


def test_a_registry_that_is_not_empty_is_left_alone(backup: Path, world: World, tmp_path: Path, places: Make) -> None:
    before = world.registry.versions.log()
    with pytest.raises(Refusal, match=r"holds a registry already .table .*name another folder or database"):
        restore(backup, tmp_path / "registry", StorageConfig())
    assert world.registry.versions.log() == before
    there = places("PostgreSQL")
    restore(backup, tmp_path / "far", there)
    with pytest.raises(Refusal, match="holds a registry already"):
        restore(backup, tmp_path / "farther", there)


def test_a_registry_that_names_other_places_is_left_alone(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / FILE).write_text('database = "postgresql://somebody@nowhere/ours"')
    with pytest.raises(Refusal, match="names other places"):
        restore(backup, tmp_path / "far", StorageConfig())


def test_a_restore_that_was_broken_off_is_run_again(backup: Path, tmp_path: Path, world: World) -> None:
    file = weights(backup)
    good = file.read_bytes()
    damage(file)
    with pytest.raises(Refusal):
        restore(backup, tmp_path / "far", StorageConfig())
    file.write_bytes(good)
    restore(backup, tmp_path / "far", StorageConfig())
    there = LocalRegistry(tmp_path / "far")
    assert there.versions.log() == world.registry.versions.log()
    assert audit(there).findings == []
    there.close()


@pytest.mark.parametrize("end", ["SQLite", "PostgreSQL"])
def test_a_backup_of_an_earlier_schema_is_migrated(tmp_path: Path, places: Make, end: str) -> None:
    """Version 0.1 had aliases that nobody signed, and no column for what was before."""
    with empty_database(tmp_path / "old.db", "0001") as engine, engine.writing() as connection:
        known = MetaData()
        known.reflect(connection)
        values = {"name": "reserve_bytes", "value": "5"}
        connection.execute(insert(known.tables["settings"]), [values])
        rows = {
            name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for name, table in known.tables.items()
            if name != "alembic_version"
        }
    folder = tmp_path / "backup"
    (folder / TABLES).mkdir(parents=True)
    files = []
    for name, found in rows.items():
        data = b"".join(canonical_json(row) + b"\n" for row in found)
        files.append(TableFile(table=name, sha256=sha256(data), size=len(data), rows=len(found)))
        (folder / files[-1].path).write_bytes(data)
    manifest = Manifest(
        software="ratatouille 0.1.0", revision="0001", origin=None, made=1, tables=tuple(files), blobs=0, bytes=0
    )
    write_manifest(folder, manifest)
    restore(folder, tmp_path / "far", places(end))
    there = LocalRegistry(tmp_path / "far")
    assert there.maintenance.settings().reserve_bytes == 5
    there.close()
    database = Database(tmp_path / "far" / "registry.db") if end == "SQLite" else None
    if database is not None:
        assert database._revision() == HEAD
        database.close()
