"""gc: removes the weights that the retention policy does not keep, and files that no version has; never a row.

Rows first: one transaction looks at the whole history and marks what goes (`blobs.collected`), so every later reader
learns that it was removed. Files after, a few in each transaction: what a killed process leaves over is harmless, and
goes the next time. Work that is about to need weights has claimed them (`claims`): those stay.

`usage` says what a registry holds and how much room it has, for people and for forecasts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, func, select, update

from registry.blobs.access import Blobs
from registry.database import Database
from registry.ledger.claims import forget_dead, live, promised, spoken_for
from registry.ledger.event_log import record_event
from registry.ledger.releases import names
from registry.lists import chunks
from registry.records import Collected, Naming, Thrown, Usage
from registry.retention.policy import Past, kept, leased, read_past
from registry.schema import BlobRow, TaskRow, VersionRow
from registry.settings import read_settings

REMOVED_AT_ONCE = 100
"""Files that are removed while the database is locked."""
MOST_NAMED = 10_000
"""Versions that one answer names."""


def collect(database: Database, blobs: Blobs, dry_run: bool) -> Collected:
    """Remove the weights that the policy does not keep, and files that no version has.

    Args:
        database: the registry's.
        blobs: the registry's.
        dry_run: return what would go, and remove nothing.

    Raises:
        Unreachable: when the store does not answer; what was marked by then goes the next time.
    """
    with database.read() if dry_run else database.write() as connection:
        if not dry_run:
            forget_dead(connection, blobs.inbox)
        going, answer = _choose(connection, dry_run)
        if going and not dry_run:
            _mark(connection, going, answer)
    stray, size = _remove(database, blobs, going, dry_run)
    return answer.model_copy(update={"stray": stray, "stray_bytes": size})


def _choose(connection: Connection, dry_run: bool) -> tuple[frozenset[str], Collected]:
    """The weights that go by the policy, and the answer about them."""
    rounds = read_settings(connection).retention_rounds
    if rounds is None:
        return frozenset(), Collected(dry_run=dry_run, keep_rounds=None)
    past = read_past(connection, rounds)
    reasons = kept(past.history, rounds)
    present = select(BlobRow.digest, BlobRow.size).where(BlobRow.collected.is_(None))
    here = {row.digest: row.size for row in connection.execute(present)}
    needed = {digest for id in reasons for digest in past.parts[id]} | leased(connection) | spoken_for(connection)
    going = frozenset(here.keys() - needed)
    losing = [id for id, digests in past.parts.items() if not going.isdisjoint(digests)]
    unprovable = _unprovable(past, here.keys() - going)
    named = names(connection, unprovable)
    return going, Collected(
        dry_run=dry_run,
        keep_rounds=rounds,
        versions=_thrown(connection, losing[:MOST_NAMED]),
        versions_in_all=len(losing),
        blobs=len(going),
        bytes=sum(here[digest] for digest in going),
        kept=dict(Counter(reasons.values())),
        unprovable=tuple(unprovable[:MOST_NAMED]),
        names=tuple(Naming(name=name, version=id) for id in unprovable for name in named.get(id, ())),
    )


def _mark(connection: Connection, going: Collection[str], answer: Collected) -> None:
    """Mark these weights as collected, and enter an event."""
    now = time.time()
    for some in chunks(sorted(going)):
        connection.execute(update(BlobRow).where(BlobRow.digest.in_(some)).values(collected=now))
    text = f"the weights of {answer.versions_in_all} versions, {answer.bytes} bytes, which the policy does not keep"
    record_event(connection, "gc", "registry", f"{text} ({answer.keep_rounds} rounds)")


def _remove(database: Database, blobs: Blobs, going: Collection[str], dry_run: bool) -> tuple[int, int]:
    """Remove files that no version has; number and bytes of those that were not just marked."""
    sizes = {stored.digest: stored.size for stored in blobs.store.stored()}
    with database.read() as connection:
        strays = _free(connection, sizes)
    if not dry_run:
        done: set[str] = set()
        for some in chunks(strays, REMOVED_AT_ONCE):
            with database.write() as connection:  # no other process claims or enters any of these meanwhile
                for digest in _free(connection, some):
                    blobs.remove(digest)
                    done.add(digest)
        strays = sorted(done)
    rest = [digest for digest in strays if digest not in going]
    return len(rest), sum(sizes[digest] for digest in rest)


def _free(connection: Connection, digests: Iterable[str]) -> list[str]:
    """Those of these digests without a version and without a claim."""
    some = set(digests)
    return sorted(some - live(connection, some).keys() - spoken_for(connection))


def _unprovable(past: Past, here: Collection[str]) -> list[str]:
    """Averages that are here when not all that they were made of is."""
    averages = (id for id, one in past.history.versions.items() if one.rule == "combine")
    standing = (id for id in averages if all(digest in here for digest in past.parts[id]))
    return [id for id in standing if not all(digest in here for digest in past.reads(id))]


def _thrown(connection: Connection, versions: Sequence[str]) -> tuple[Thrown, ...]:
    found = []
    columns = (VersionRow.id, VersionRow.rule, VersionRow.round, VersionRow.created, TaskRow.name.label("task_name"))
    for some in chunks(versions):
        query = select(*columns).outerjoin(TaskRow, TaskRow.digest == VersionRow.task).where(VersionRow.id.in_(some))
        rows = connection.execute(query.order_by(VersionRow.number)).mappings()
        found += [Thrown.model_validate(dict(row)) for row in rows]
    return tuple(found)


def usage(connection: Connection, blobs: Blobs) -> Usage:
    """The usage of a registry, counted from the rows; of files only those on their way in are listed."""
    settings = read_settings(connection)
    sums = select(func.count(), func.coalesce(func.sum(BlobRow.size), 0))
    present, size = connection.execute(sums.where(BlobRow.collected.is_(None))).one()
    collected, freed = connection.execute(sums.where(BlobRow.collected.is_not(None))).one()
    return Usage(
        versions=int(connection.execute(select(func.count()).select_from(VersionRow)).scalar_one()),
        blobs=present,
        bytes=int(size),
        collected=collected,
        collected_bytes=int(freed),
        incoming_bytes=sum(path.stat().st_size for path in blobs.inbox.incoming()),
        promised_bytes=promised(connection, blobs.inbox),
        free_bytes=blobs.inbox.free_bytes(),
        reserve_bytes=settings.reserve_bytes,
        retention_rounds=settings.retention_rounds,
    )
