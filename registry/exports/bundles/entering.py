"""Putting a parcel into a registry: every receipt, definition and byte goes through the gates that a push passes.

First all rows are written in a transaction that is undone again, which finds whatever does not fit. Then the weights
are taken and averages computed again, and only then everything is entered at once. So nothing of a parcel that is
refused can be seen, one that was broken off is taken again and goes on, and one that is known changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ratatouille.errors import Refusal
from registry.audit.weights import check_average
from registry.blobs.inbox import IncomingFile, carry
from registry.contributions.examine import WantedPart
from registry.contributions.push import check_present, gate
from registry.exports.bundles.plan import Plan, enter_rows
from registry.exports.bundles.reading import Opened, opened
from registry.ledger.claims import Claims, live
from registry.ledger.event_log import record_event
from registry.storage import Storage

Said = Callable[[int, int], None]
"""Called with bytes of weights done and in all."""


class _Undone(Exception):
    """Ends the transaction that was only a rehearsal."""


def enter(storage: Storage, path: Path, unproved: bool = False, said: Said = lambda done, total: None) -> Plan:
    """Enter what is new in a parcel.

    Args:
        storage: the registry.
        path: the parcel.
        unproved: whether to take what cannot be checked, since weights of its parents were collected.
        said: is told how far it is.

    Raises:
        Refusal: naming the first thing that is wrong or does not fit; nothing of the parcel is visible then.
        Unreachable: when there is no room, or the store does not answer; the same may be run again.
    """
    with opened(path) as parcel, _named(path):
        plan = _rehearsed(storage, parcel)
        if plan.unproved and not unproved:
            raise Refusal(f"{plan.unproved[0]}; --unproved takes it nevertheless")
        with _claimed(storage, parcel, plan) as claims:
            _take(storage, parcel, plan, said)
            for version, inputs in plan.averages:
                check_average(storage.blobs, version, inputs)
            with storage.database.write() as connection:
                claims.check(connection, plan.needed)
                done = enter_rows(connection, parcel)
                if done.versions:
                    text = f"{done.versions} versions with their receipts from a parcel"
                    record_event(connection, "import", parcel.parcel.digest, text)
        return done


def _rehearsed(storage: Storage, parcel: Opened) -> Plan:
    plan: Plan | None = None
    try:
        with storage.database.write() as connection:
            here = set(live(connection, list(parcel.weights)))
            plan = enter_rows(connection, parcel)
            plan.here |= here
            raise _Undone
    except _Undone:
        assert plan is not None
        return plan


@contextmanager
def _claimed(storage: Storage, parcel: Opened, plan: Plan) -> Iterator[Claims]:
    """Keep everything that is needed from being collected, and promise room to what must come."""
    claims = Claims(storage.blobs.inbox, parcel.parcel.digest)
    sizes = {one.digest: 0 if one.digest in plan.here else one.size for one in plan.wanted}
    with storage.database.write() as connection:
        claims.take(connection, dict.fromkeys(plan.relied, 0) | sizes)
    try:
        yield claims
    finally:
        with storage.database.write() as connection:
            claims.release(connection)


def _take(storage: Storage, parcel: Opened, plan: Plan, said: Said) -> None:
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
            place = partial(_place, storage, one.digest)
            carry(
                storage.blobs.inbox,
                one.digest,
                partial(gate, storage.blobs, one),
                partial(parcel.blocks, one.digest),
                place,
            )
        if one.digest not in taken:
            taken.add(one.digest)
            done += one.size
            said(done, total)


def _place(storage: Storage, digest: str, receiving: IncomingFile) -> None:
    storage.blobs.place(receiving, digest)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say of which parcel a refusal is."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(f"'{path}' is not taken: {refusal}") from refusal
