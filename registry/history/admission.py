"""Reasons for admission: what the registry had checked when it wrote a version's row.

Nothing is checked again here (`verify` does that); these are the promises of `examine`, `ratatouille.weights.intake`
and `combining`, said of one version.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, bindparam, func, select

from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.version import Version
from ratatouille.weights.architecture import Architecture
from registry.ledger.definitions import architecture, task
from registry.records import Check
from registry.schema import ContributionRow

_LATER = select(func.count()).where(
    ContributionRow.work_id == bindparam("question"), ContributionRow.state == "duplicate"
)


def admission(connection: Connection, version: Version, receipt: Receipt | None) -> Iterator[Check]:
    """What was checked, in the order in which it was."""
    network = architecture(connection, version.architecture)
    if receipt is None:
        yield from _combined(version, network)
    else:
        classes = len(task(connection, version.task).classes) if version.task is not None else 0
        yield from _pushed(version, receipt, network, classes)
        yield _passed("first", _answers(connection, receipt))


def _pushed(version: Version, receipt: Receipt, network: Architecture, classes: int) -> Iterator[Check]:
    imported = isinstance(receipt.assignment, Import)
    yield _passed("signature", f"the receipt {str(version.receipt)[:12]}… is signed by key {receipt.node[:12]}…")
    yield _passed("lease", "an import needs none" if imported else "the node had taken this question")
    yield _passed("parents", f"{len(version.parents)} known, of the same architecture; the work started from them")
    parts = [(len(network.featurizer), "in the featurizer")]
    if version.head is not None:
        parts.append((len(network.head(classes)), f"in the head, for {classes} classes"))
    yield _passed(
        "shapes", ", ".join(f"{count} tensors {where}" for count, where in parts) + f", as {network.name} has"
    )
    yield _passed("finite", "no NaN and no infinity in any tensor")
    yield _passed("buffers", _buffers(version, network))
    yield _passed("digests", "SHA-256 of each file while it came")
    if receipt.evaluations:
        yield _passed("counts", f"{len(receipt.evaluations)} matrices of {classes} × {classes}")


def _combined(version: Version, network: Architecture) -> Iterator[Check]:
    yield _passed("average", f"made here from {len(version.parents)} parents; `ratatouille verify` computes it again")
    yield _passed("parents", f"all of {network.name} and admitted" + (", all for one task" if version.head else ""))
    yield _passed("buffers", "equal in all parents, and copied")
    yield _passed("finite", "no result is too large for float32")


def _buffers(version: Version, network: Architecture) -> str:
    count = sum(tensor.buffer for tensor in network.featurizer)
    if not count:
        return "this architecture has none"
    if not version.parents:
        return f"{count}, which descendants must keep"
    return f"{count} equal to those of {version.parents[0].version[:12]}…"


def _answers(connection: Connection, receipt: Receipt) -> str:
    count = connection.execute(_LATER, {"question": receipt.work_id}).scalar_one()
    return f"the first answer to question {receipt.work_id[:12]}…" + (f"; {count} came later" if count else "")


def _passed(what: str, detail: str) -> Check:
    return Check(what=what, verdict="ok", detail=detail)
