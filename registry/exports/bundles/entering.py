"""Putting a bundle into a registry: every receipt, definition and byte is checked as in a push.

First all rows are written in a transaction that is undone again, which finds whatever does not fit. Then the weights
are taken and averages computed again, and only then everything is entered at once. So nothing of a bundle that is
refused can be seen, one that was broken off is taken again and goes on, and one that is known changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.wording import number_of
from registry.audit.weights import check_average
from registry.blobs.inbox import carry
from registry.contributions.examine import WantedPart
from registry.contributions.push import check_present, gate
from registry.exports.bundles.plan import ImportPlan, enter_rows
from registry.exports.bundles.reading import BundleFile, open_bundle
from registry.exports.content import claiming
from registry.ledger.claims import Claims, live
from registry.ledger.event_log import record_event
from registry.services.weights import Progress
from registry.storage import Storage


class _DryRunOver(Exception):
    """Undoes the transaction of a dry run."""


def enter(storage: Storage, path: Path, unproved: bool = False, progress: Progress | None = None) -> ImportPlan:
    """Enter what is new in a bundle.

    Args:
        storage: the registry.
        path: the bundle.
        unproved: whether to take what cannot be checked, since weights of its parents were collected.
        progress: is called with bytes of weights taken and bytes in all.

    Raises:
        Refusal: naming the first thing that is wrong or does not fit; nothing of the bundle is visible then.
        Unreachable: when there is no room, or the store does not answer; the same may be run again.
    """
    with open_bundle(path) as bundle, _named(path):
        plan = _dry_run(storage, bundle)
        if plan.unproved and not unproved:
            raise Refusal(f"{plan.unproved[0]}; --unproved takes it nevertheless")
        with claiming(storage, bundle.manifest.digest) as claims:
            _claim(storage, claims, plan)
            _take(storage, bundle, plan, progress)
            for version, inputs in plan.averages:
                check_average(storage.blobs, version, inputs)
            with storage.database.write() as connection:
                claims.check(connection, plan.needed)
                done = enter_rows(connection, bundle)
                if done.versions:
                    text = f"{number_of(done.versions, 'version')} with receipts from a bundle"
                    record_event(connection, "import", bundle.manifest.digest, text)
        return done


def _dry_run(storage: Storage, bundle: BundleFile) -> ImportPlan:
    plan: ImportPlan | None = None
    try:
        with storage.database.write() as connection:
            here = set(live(connection, list(bundle.weights)))
            plan = enter_rows(connection, bundle)
            plan.here |= here
            raise _DryRunOver
    except _DryRunOver:
        assert plan is not None
        return plan


def _claim(storage: Storage, claims: Claims, plan: ImportPlan) -> None:
    """Claim everything that is needed, so that gc leaves it, and reserve space for what must come."""
    sizes = {one.digest: 0 if one.digest in plan.here else one.size for one in plan.wanted}
    with storage.database.write() as connection:
        claims.take(connection, dict.fromkeys(plan.relied, 0) | sizes)


def _take(storage: Storage, bundle: BundleFile, plan: ImportPlan, progress: Progress | None) -> None:
    """Take the weights that are not here, in the order of the versions: parents have theirs first."""
    seen: set[WantedPart] = set()
    taken: set[str] = set()
    done, total = 0, sum({one.digest: one.size for one in plan.wanted}.values())
    for one in plan.wanted:
        if one in seen:
            continue
        seen.add(one)
        if one.digest in taken or (one.digest in plan.here and storage.blobs.holds(one.digest, one.size)):
            check_present(storage.blobs, one)
        else:
            place, stream = partial(storage.blobs.place, digest=one.digest), partial(bundle.blocks, one.digest)
            carry(storage.blobs.inbox, one.digest, partial(gate, storage.blobs, one), stream, place)
        if one.digest not in taken:
            taken.add(one.digest)
            done += one.size
            if progress is not None:
                progress(done, total)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say of which bundle a refusal is."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(f"'{path}' is not taken: {refusal}") from refusal
