"""Bundles from anybody: whatever is wrong with one is said in a sentence, and nothing of it is entered."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.change import Retract, Tag
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.exchange.version import Combination, Parent, Rule, Version
from ratatouille.record import sha256
from ratatouille.weights.canonical import encode
from registry.commands.verify import audit
from registry.exports.backup.rows import write_tables
from registry.exports.bundles.archive import (
    END,
    HEAD,
    NAMES,
    RECORDS,
    SECTOR,
    BundleManifest,
    Reader,
    RecordFile,
    Writer,
    header,
)
from registry.exports.bundles.entering import enter
from registry.exports.bundles.export import export
from registry.records import Portable, Result
from registry.services.local import LocalRegistry
from tests.registry.exports.bundles.forged import forge, version_of
from tests.registry.world import NETWORK, PETS, World, featurizer, head

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
IMPORTER = Path(__file__).parent / "importer.py"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A registry in a folder, with definitions."""
    (tmp_path / "files").mkdir()
    world = World(LocalRegistry(tmp_path / "registry"), tmp_path / "files", Signer.open(tmp_path / "node.key"))
    world.define()
    yield world
    world.registry.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[LocalRegistry]:
    """An empty registry."""
    registry = LocalRegistry(tmp_path / "there")
    yield registry
    registry.close()


def rows(registry: LocalRegistry, folder: Path) -> object:
    """Everything that a registry says."""
    folder.mkdir(exist_ok=True)
    with registry.storage.database.read() as connection:
        return write_tables(connection, folder)


def refused(there: LocalRegistry, path: Path, sentence: str) -> None:
    """Assert that a bundle is refused with these words, and that nothing of it is entered."""
    before = rows(there, path.parent / "rows")
    with pytest.raises(Refusal, match=sentence) as caught:
        enter(there.storage, path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert rows(there, path.parent / "rows") == before
    assert list(there.blobs.inbox.incoming()) == []


# -- the archive


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "", **changes: object) -> bytes:
    """A member as other software would write it."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, target
    for key, value in changes.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % SECTOR)


STRANGE = {
    "nothing": (b"", "ends too early"),
    "no tar": (b"PK\x03\x04" * 1000, "no file that a bundle has"),
    "no end": (entry("bundle.json", b"{}"), "ends too early"),
    "half an end": (entry("bundle.json", b"{}") + END[:SECTOR] + b"x" * SECTOR, "its end, at byte 1024"),
    "more behind the end": (entry("bundle.json", b"{}") + END + b"!", "something follows after its end"),
    "a second archive behind the end": (END + entry("bundle.json", b"{}") + END, "something follows after its end"),
    "a path upwards": (entry("weights/../../../etc/passwd", b"root") + END, "no file that a bundle has"),
    "a path from the root": (entry("/etc/passwd", b"root") + END, "no file that a bundle has"),
    "a path behind a NUL": (entry("bundle.json\0/../../x", b"{}") + END, "no file that a bundle has"),
    "a long name": (entry("w" * 300, b"x") + END, "no file that a bundle has"),
    "weights of no digest": (entry("weights/" + "G" * 64) + END, "no file that a bundle has"),
    "a link": (entry("bundle.json", kind=tarfile.SYMTYPE, target="/etc/passwd") + END, "not in the form of a bundle"),
    "a hard link": (entry("bundle.json", kind=tarfile.LNKTYPE, target="x") + END, "not in the form of a bundle"),
    "a device": (entry("bundle.json", kind=tarfile.CHRTYPE) + END, "not in the form of a bundle"),
    "a folder": (entry("bundle.json", kind=tarfile.DIRTYPE) + END, "no file that a bundle has"),
    "an owner": (entry("bundle.json", b"{}", uid=0o777, uname="root") + END, "not in the form of a bundle"),
    "a mode": (entry("bundle.json", b"{}", mode=0o4777) + END, "not in the form of a bundle"),
    "a size of a petabyte": (header("bundle.json", 2**50) + END, "the file ends before"),
    "a size beyond that": (header("bundle.json", 2**60) + END, "not in the form of a bundle"),
    "padding that is not empty": (entry("bundle.json", b"{}")[:-1] + b"!" + END, "more than it should be"),
    "a header of another kind": (tarfile.TarInfo("bundle.json").tobuf(tarfile.PAX_FORMAT) + END, "not in the form"),
    "other files first": (entry("tasks.jsonl") + END, "must begin with bundle.json"),
    "one file twice": (entry("bundle.json", b"{}") * 2 + END, "must begin with bundle.json"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_an_archive_of_another_kind_is_refused(there: LocalRegistry, tmp_path: Path, what: str) -> None:
    data, sentence = STRANGE[what]
    (tmp_path / "strange.tar").write_bytes(data)
    refused(there, tmp_path / "strange.tar", sentence)


def test_an_archive_with_too_many_members_is_refused_before_they_are_read() -> None:
    many = b"".join(entry(f"weights/{number:064x}") for number in range(11)) + END
    assert len(Reader(io.BytesIO(many), most=11).members) == 11
    with pytest.raises(Refusal, match="more than 10 members"):
        Reader(io.BytesIO(many), most=10)


def test_a_member_of_more_than_eight_gigabytes_has_a_header_that_is_read_back(tmp_path: Path) -> None:
    size, path = 9 * 2**30, tmp_path / "large.tar"
    with path.open("wb") as file:
        file.write(header("weights/" + "0" * 64, size))
        file.seek(SECTOR + size)
        file.write(END)
    with path.open("rb") as file:
        (member,) = Reader(file, most=1).members
    assert member.size == size
    with tarfile.open(path) as archive:
        assert archive.getmembers()[0].size == size


def test_the_header_is_the_same_for_ever() -> None:
    assert (
        sha256(header("weights/" + "0" * 64, 1234))
        == "d2206b52bbdd16b4c95d97cbb70d18370863c9f01095ab6ed1df5911f8a2ce55"
    )
    assert NAMES.fullmatch(header("bundle.json", 1)[:100])


def test_a_missing_file_is_refused(there: LocalRegistry, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be read: No such file"):
        enter(there.storage, tmp_path / "nowhere.tar")
    with pytest.raises(Refusal, match="cannot be read: Is a directory"):
        enter(there.storage, tmp_path)


# -- the records


def foundation(world: World, seed: int = 0, **changes: object) -> tuple[Sealed, dict[str, Path]]:
    """A good receipt of a foundation, with its file."""
    digest, path = world.file(featurizer(seed))
    work = Import(architecture=NETWORK.digest, featurizer=digest, source="the sea")
    receipt = Receipt(assignment=work, node=world.signer.node, featurizer=digest).model_copy(update=changes)
    return world.signer.seal(receipt), {digest: path}


def test_a_forged_bundle_that_is_right_is_taken(world: World, there: LocalRegistry, tmp_path: Path) -> None:
    sealed, files = foundation(world)
    forge(tmp_path / "good.tar", [sealed], files)
    assert enter(there.storage, tmp_path / "good.tar").versions == 1
    assert audit(there).findings == []


def portable(sealed: Sealed, **changes: object) -> Portable:
    return Portable(version=version_of(sealed)).model_copy(update=changes)


def of_version(sealed: Sealed, **changes: object) -> Portable:
    return Portable(version=version_of(sealed).model_copy(update=changes))


Forge = Callable[[World, Path], None]


def spoilt_signature(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed.model_copy(update={"signature": "0" * 128})], files, [portable(sealed)])


def someone_elses_receipt(world: World, file: Path) -> None:
    sealed, files = foundation(world, node="a" * 64)
    forge(file, [sealed], files)


def no_receipt(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [], files, [of_version(sealed, receipt=None)])


def another_receipt(world: World, file: Path) -> None:
    (sealed, files), (other, _) = foundation(world), foundation(world, 1)
    forge(file, [other], files, [of_version(sealed, receipt=version_of(other).receipt)])


def a_receipt_too_many(world: World, file: Path) -> None:
    (sealed, files), (other, _) = foundation(world), foundation(world, 1)
    forge(file, [sealed, other], files, [portable(sealed)])


def a_receipt_twice(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed, sealed], files, [portable(sealed)])


def a_version_twice(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed], files, [portable(sealed), portable(sealed)])


def weights_too_many(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed], files | dict([world.file(featurizer(9))]))


def weights_too_few(world: World, file: Path) -> None:
    sealed, _ = foundation(world)
    forge(file, [sealed], {})


def weights_that_are_others(world: World, file: Path) -> None:
    (sealed, files), (_, others) = foundation(world), foundation(world, 1)
    forge(file, [sealed], dict(zip(files, others.values(), strict=True)))


def weights_that_are_longer(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    (path,) = files.values()
    path.write_bytes(path.read_bytes() + bytes(64))
    forge(file, [sealed], files)


def weights_of_other_tensors(world: World, file: Path) -> None:
    digest, path = world.file_of(encode({"conv.weight": featurizer(1)["conv.weight"]}).ljust(300, b" "))
    _, files = foundation(world)
    work = Import(architecture=NETWORK.digest, featurizer=digest, source="the sea")
    receipt = Receipt(assignment=work, node=world.signer.node, featurizer=digest)
    (good,) = files.values()
    path.write_bytes(path.read_bytes()[: good.stat().st_size].ljust(good.stat().st_size, b"\0"))
    forge(file, [world.seal(receipt)], {digest: path})


def an_architecture_too_many(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed], files, architectures=[NETWORK, NETWORK.model_copy(update={"name": "other"})])


def no_architecture(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed], files, architectures=[])


def a_task_that_nobody_needs(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed], files, tasks=[PETS])


def an_orphan(world: World, file: Path) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    forge(file, [world.seal(receipt)], files)


def a_need_that_is_not_here(world: World, file: Path) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    forge(file, [world.seal(receipt)], files, head={"needs": (start.version,)})


def a_need_that_is_inside(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed], files, head={"needs": (version_of(sealed).id,)})


def made_for_another(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed], files, head={"asked": ("0" * 64,)})


def other_parents(world: World, file: Path) -> None:
    (sealed, files), (other, more) = foundation(world), foundation(world, 1)
    child = of_version(other, parents=(Parent(version=version_of(sealed).id),))
    forge(file, [sealed, other], files | more, [portable(sealed), child])


def another_rule(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed], files, [of_version(sealed, rule=Rule(name="import", revision=2))])


def too_many_lines(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    data = portable(sealed).to_json() + b"\n"
    damaged = RecordFile(lines=2, size=len(data), sha256=sha256(data))
    forge(file, [sealed], files, head={"versions": damaged})


def another_weight_of_weights(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    forge(file, [sealed], files, head={"bytes": 1})


def a_tag_by_nobody(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    tag = world.signer.seal(Tag(name="spring", version=version_of(sealed).id, at=1))
    forge(file, [sealed], files, [portable(sealed, tags=(tag.model_copy(update={"node": "a" * 64}),))])


def a_tag_of_another(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    tag = world.signer.seal(Tag(name="spring", version="0" * 64, at=1))
    forge(file, [sealed], files, [portable(sealed, tags=(tag,))])


def a_tag_like_an_id(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    tag = world.signer.seal(Tag(name="cafe", version=version_of(sealed).id, at=1))
    forge(file, [sealed], files, [portable(sealed, tags=(tag,))])


def a_retraction_by_nobody(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    change = world.signer.seal(Retract(version=version_of(sealed).id, at=1))
    forge(file, [sealed], files, [portable(sealed, retraction=change.model_copy(update={"signature": "1" * 128}))])


def a_retraction_of_another(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    change = world.signer.seal(Retract(version="0" * 64, at=1))
    forge(file, [sealed], files, [portable(sealed, retraction=change)])


def a_retraction_with_what_it_is_not_made_of(world: World, file: Path) -> None:
    (sealed, files), (other, others) = foundation(world), foundation(world, 1)
    change = world.signer.seal(Retract(version=version_of(other).id, message="mine is bad", at=1.0))
    forge(file, [sealed, other], files | others, [portable(other), portable(sealed, retraction=change)])


def an_evaluation_of_other_weights(world: World, file: Path) -> None:
    sealed, files = foundation(world)
    start = world.probed()
    counted = world.seal(world.evaluation(start))
    one = portable(sealed, evaluations=(sha256(counted.body.encode()),))
    forge(file, [sealed, counted], files, [one], tasks=[])


def an_evaluation_that_is_a_training(world: World, file: Path) -> None:
    (sealed, files), (other, _) = foundation(world), foundation(world, 1)
    forge(file, [sealed, other], files, [portable(sealed, evaluations=(version_of(other).receipt,))])


BAD: dict[str, tuple[Forge, str]] = {
    "a spoilt signature": (spoilt_signature, "the signature of this receipt is not by key"),
    "someone else's receipt": (someone_elses_receipt, "is signed by"),
    "no receipt": (no_receipt, "made by import has a receipt, and this one names none"),
    "another receipt": (another_receipt, "it is not what its receipt makes"),
    "a receipt too many": (a_receipt_too_many, "its receipts are not those that its versions need"),
    "a receipt twice": (a_receipt_twice, "its receipts are not those that its versions need, each once"),
    "a version twice": (a_version_twice, "is inside twice"),
    "weights too many": (weights_too_many, "its weights are not those that its versions have"),
    "weights too few": (weights_too_few, "its weights are not those that its versions have"),
    "weights that are others": (weights_that_are_others, "the bytes hash to"),
    "weights that are longer": (weights_that_are_longer, "its featurizer has .* bytes instead of"),
    "weights of other tensors": (weights_of_other_tensors, "is not a canonical file of this architecture"),
    "an architecture too many": (an_architecture_too_many, "its architectures are not those"),
    "no architecture": (no_architecture, "its architectures are not those"),
    "a task that nobody needs": (a_task_that_nobody_needs, "its tasks are not those"),
    "an orphan": (an_orphan, "comes before its parent .*, or without it"),
    "a need that is not here": (a_need_that_is_not_here, "which is not here; export it with all ancestors"),
    "a need that is inside": (a_need_that_is_inside, "is inside twice, or needed and inside"),
    "made for another": (made_for_another, "made for versions that are not inside"),
    "other parents": (other_parents, "it is not what its receipt makes"),
    "another rule": (another_rule, "it is not what its receipt makes"),
    "too many lines": (too_many_lines, "versions.jsonl is damaged"),
    "another weight of weights": (another_weight_of_weights, "says other weights than there are"),
    "a tag by nobody": (a_tag_by_nobody, "the signature of this tag is not by key"),
    "a tag of another": (a_tag_of_another, "tag spring is of another version"),
    "a tag like an id": (a_tag_like_an_id, "cafe"),
    "a retraction by nobody": (a_retraction_by_nobody, "the signature of this retract is not by key"),
    "a retraction of another": (a_retraction_of_another, "which is not here"),
    "a retraction with another": (a_retraction_with_what_it_is_not_made_of, "which it is not made of"),
    "an evaluation of other weights": (an_evaluation_of_other_weights, "task .* is not known here"),
    "an evaluation that is a training": (an_evaluation_that_is_a_training, "is of a import, not of an evaluation"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bundle_with_something_wrong_is_refused_whole(
    world: World, there: LocalRegistry, tmp_path: Path, what: str
) -> None:
    make, sentence = BAD[what]
    make(world, tmp_path / "bad.tar")
    refused(there, tmp_path / "bad.tar", sentence)


def average(world: World, body: int, top: int, **changes: object) -> tuple[Portable, dict[str, Path]]:
    """What somebody says that the average of two trainings is, with weights of their choice."""
    start = world.probed()
    tuned = [world.tuned(start, seed) for seed in (2, 3)]
    files = dict([world.file(featurizer(body)), world.file(head(top))])
    featurizer_digest, head_digest = files
    version = Version(
        featurizer=featurizer_digest,
        head=head_digest,
        architecture=NETWORK.digest,
        task=PETS.digest,
        parents=tuple(Parent(version=str(one.version)) for one in tuned),
        rule=Rule(name="combine", revision=1, purpose="uniform"),
        receipt=None,
    ).model_copy(update=changes)
    return Portable(version=version), files


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "the featurizer that was computed again hashes to"),
        ({"rule": Rule(name="combine", revision=2, purpose="uniform")}, "another revision of averaging; --unproved"),
        ({"rule": Rule(name="combine", revision=1)}, "has a receipt, and this one names none"),
        ({"task": None}, "it is not what combining its parents makes"),
        ({"architecture": "0" * 64}, "its architectures are not those"),
        ({"parents": ()}, "parents: tuple should have at least 1 item"),
    ],
)
def test_an_average_that_is_none_is_refused(
    world: World, there: LocalRegistry, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    claimed, files = average(world, 50, 51, **changes)
    ids = [str(entry.id) for entry in reversed(world.registry.versions.log())]
    honest = world.registry.versions.portables(ids)
    sealed = world.registry.versions.receipts([str(one.version.receipt) for one in honest])
    for one in honest:
        for digest in (one.version.featurizer, one.version.head):
            if digest is not None:
                files[digest] = world.registry.weights.fetch(digest)
    forge(tmp_path / "bad.tar", sealed, files, [*honest, claimed])
    refused(there, tmp_path / "bad.tar", sentence)


# -- room


def exported(world: World, file: Path) -> dict[str, Result]:
    start = world.probed()
    tuned = [world.tuned(start, seed) for seed in (2, 3)]
    parents = tuple(Parent(version=str(one.version)) for one in tuned)
    mean = world.registry.work.combine(Combination(parents=parents))
    world.work(world.evaluation(mean), {})
    world.maintainer.tag(str(mean.version), "spring")
    export(world.registry, ["spring"], file, tags=True)
    return {"start": start, "mean": mean}


def test_no_byte_is_taken_where_there_is_no_room(world: World, there: LocalRegistry, tmp_path: Path) -> None:
    exported(world, tmp_path / "bundle.tar")
    there.maintenance.configure("reserve_bytes", 2**60)
    with pytest.raises(Unreachable, match="has no room for"):
        enter(there.storage, tmp_path / "bundle.tar")
    assert [*there.blobs.store.stored(), *there.blobs.inbox.incoming()] == []
    there.maintenance.configure("reserve_bytes", 0)
    there.maintenance.configure("largest_part_bytes", 100)
    refused(there, tmp_path / "bundle.tar", "this registry takes at most 100")


# -- interruptions


@pytest.mark.parametrize("lines", [1, 4, 8])
def test_an_import_that_is_killed_shows_nothing_and_goes_on(
    world: World, there: LocalRegistry, tmp_path: Path, lines: int
) -> None:
    exported(world, tmp_path / "bundle.tar")
    command = [sys.executable, str(IMPORTER), str(there.folder), str(tmp_path / "bundle.tar")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
    whole = audit(there)
    assert whole.ok
    assert len(there.versions.log()) in (0, 5)
    assert {one.kind for one in whole.findings} <= {"unreferenced"}
    enter(there.storage, tmp_path / "bundle.tar")
    assert audit(there).findings == []
    assert len(there.versions.log()) == 5


# -- anything


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalRegistry, Path]]:
    """A good bundle, and a registry that has taken none."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "files").mkdir()
    world = World(LocalRegistry(folder / "registry"), folder / "files", Signer.open(folder / "node.key"))
    world.define()
    exported(world, folder / "bundle.tar")
    world.registry.close()
    there = LocalRegistry(folder / "there")
    yield there, folder
    there.close()


PLACE = st.integers(0, 2**20)
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=QUIET)
@given(
    kind=st.sampled_from(["flip", "cut", "insert", "repeat", "zero"]),
    place=PLACE,
    length=st.integers(1, 2000),
    some=st.binary(min_size=1, max_size=600),
)
def test_a_bundle_with_any_byte_changed_is_refused_and_nothing_is_entered(
    ground: tuple[LocalRegistry, Path], kind: str, place: int, length: int, some: bytes
) -> None:
    there, folder = ground
    good = (folder / "bundle.tar").read_bytes()
    bad, at = bytearray(good), place % len(good)
    if kind == "flip":
        bad[at] ^= some[0]
    elif kind == "cut":
        del bad[at : at + length]
    elif kind == "insert":
        bad[at:at] = some
    elif kind == "repeat":
        bad[at:at] = bad[at : at + length]
    else:
        bad[at : at + length] = bytes(len(bad[at : at + length]))
    software = re.search(rb'"software":"[^"]*"', good)
    assert software is not None
    if bytes(bad) == good or (kind == "flip" and software.start() <= at < software.end()):
        return  # nobody signs which software wrote a bundle
    (folder / "bad.tar").write_bytes(bad)
    with pytest.raises(Refusal):
        enter(there.storage, folder / "bad.tar")
    assert there.versions.log() == []
    assert there.definitions.tasks() == []


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=QUIET)
@given(name=st.sampled_from(RECORDS), place=PLACE, sign=st.sampled_from('0123456789abcdef"{}[],:x'))
def test_records_with_anything_changed_are_refused_though_all_sums_are_right(
    ground: tuple[LocalRegistry, Path], name: str, place: int, sign: str
) -> None:
    """Somebody who changes a record can mend the head of the bundle: then signatures and ids must tell."""
    there, folder = ground
    with (folder / "bundle.tar").open("rb") as file:
        reader = Reader(file, most=100)
        members = {member.name: reader.bytes(member) for member in reader.members}
    text = bytearray(members[f"{name}.jsonl"])
    at = place % (len(text) - 1)
    text[at] = ord(sign)
    changed = bytes(text)
    if changed == members[f"{name}.jsonl"] or b'"seconds":' in changed[max(0, at - 40) : at]:
        return  # nobody signs how long an average took
    head = BundleManifest.from_json(members[HEAD])
    lines = RecordFile(lines=changed.count(b"\n"), size=len(changed), sha256=sha256(changed))
    members |= {f"{name}.jsonl": changed, HEAD: head.model_copy(update={name: lines}).to_json()}
    with (folder / "bad.tar").open("wb") as output:
        writer = Writer(output)
        for member, content in members.items():
            writer.add(member, len(content), iter([content]))
        writer.close()
    with pytest.raises(Refusal):
        enter(there.storage, folder / "bad.tar")
    assert there.versions.log() == []
