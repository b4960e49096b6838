"""Bundles that no registry would write, in the right form: what somebody with other software could send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Parent, Rule, Version
from ratatouille.record import Record, sha256
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from registry.exports.bundles.archive import HEAD, RECORDS, WEIGHTS, BundleManifest, RecordFile, Writer
from registry.records import Portable
from tests.registry.world import NETWORK, PETS


def version_of(sealed: Sealed) -> Version:
    """What a receipt makes, if nobody looks."""
    receipt = Receipt.from_json(sealed.body)
    work = receipt.assignment
    return Version(
        featurizer=str(receipt.featurizer),
        head=receipt.head,
        architecture=work.architecture,
        task=work.task if receipt.head else None,
        parents=tuple(Parent(version=id) for id in dict.fromkeys(receipt.parents)),
        rule=Rule(name=work.kind, revision=1),  # type: ignore[arg-type]
        receipt=receipt.digest,
    )


def forge(
    file: Path,
    receipts: Sequence[Sealed],
    weights: Mapping[str, Path],
    versions: Sequence[Portable] | None = None,
    architectures: Sequence[Architecture] = (NETWORK,),
    tasks: Sequence[Task] | None = None,
    head: Mapping[str, object] | None = None,
) -> None:
    """Write a bundle; `head` says what is changed in bundle.json."""
    made = [Portable(version=version_of(one)) for one in receipts] if versions is None else list(versions)
    if tasks is None:
        tasks = [PETS] if any(one.version.task for one in made) else []
    records: dict[str, Sequence[Record]] = dict(zip(RECORDS, (architectures, tasks, receipts, made), strict=True))
    data = {name: b"".join(one.to_json() + b"\n" for one in found) for name, found in records.items()}
    lines = {
        name: RecordFile(lines=len(records[name]), size=len(data[name]), sha256=sha256(data[name])) for name in RECORDS
    }
    values = {
        "software": "forged",
        "asked": (made[-1].version.id,),
        **lines,
        "weights": len(weights),
        "bytes": sum(path.stat().st_size for path in weights.values()),
    }
    first = BundleManifest.model_validate({**values, **(head or {})}).to_json()
    with file.open("wb") as output:
        writer = Writer(output)
        writer.add(HEAD, len(first), iter([first]))
        for name in RECORDS:
            writer.add(f"{name}.jsonl", len(data[name]), iter([data[name]]))
        for digest, path in sorted(weights.items()):
            writer.add(f"{WEIGHTS}{digest}", path.stat().st_size, iter([path.read_bytes()]))
        writer.close()
