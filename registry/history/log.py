"""The log of versions: those that fit a query, latest first, page by page; events are in `registry.ledger.event_log`.

Each filter has an index that ends with (created, number), so a page costs the same at its end as at its beginning. What
has several sources (contributors of one name, versions that a round found known) is read as one such page for each
source, and the latest of all of them are the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, TextClause, select, text, tuple_, union

from ratatouille.errors import Refusal
from registry.history.queries import MOST_ENTRIES, entries, read
from registry.ledger.definitions import task
from registry.ledger.event_log import RESULT, round_by
from registry.records import Entry, LogQuery
from registry.schema import EventRow, KeyRow, MemberRow, OfferRow, VersionRow
from registry.texts import HEXADECIMAL

MOST_NODES = 100
"""Keys that one name or one beginning may stand for."""
LATEST_FIRST = (VersionRow.created.desc(), VersionRow.number.desc())

Condition = ColumnElement[bool] | TextClause


def log(connection: Connection, query: LogQuery, before: int | None, limit: int) -> list[Entry]:
    """Versions that fit, latest first.

    Args:
        query: what they must fit.
        before: only versions that come after this one in the list, by its number: the last one of the page before.
        limit: at most so many.

    Raises:
        Refusal: for a task, round, contributor or number that is not known.
    """
    limit = max(0, min(limit, MOST_ENTRIES))
    everywhere = [*_columns(connection, query), *_after(connection, before)]
    sources = list(product(_of_contributors(connection, query), _of_round(connection, query)))
    if len(sources) == 1:
        return list(read(connection, _page(entries(), [*everywhere, *sources[0][0], *sources[0][1]], limit)))
    pages = [_page(select(VersionRow.number), [*everywhere, *who, *where], limit).subquery() for who, where in sources]
    numbers = union(*(select(page.c.number) for page in pages))
    return list(read(connection, _page(entries(), [VersionRow.number.in_(numbers)], limit)))


def _page(query: Select[Any], conditions: list[Condition], limit: int) -> Select[Any]:
    return query.where(*conditions).order_by(*LATEST_FIRST).limit(limit)


def _columns(connection: Connection, query: LogQuery) -> Iterator[Condition]:
    """The filters that are one comparison."""
    if query.task is not None:
        yield VersionRow.task == task(connection, query.task).digest
    if query.kind is not None:
        yield VersionRow.rule == query.kind
    if query.state is not None:
        yield VersionRow.state == query.state
        if query.state != "admitted":  # says that the index of these few will do
            yield text("versions.state <> 'admitted'")
    if query.since is not None:
        yield VersionRow.created >= query.since
    if query.until is not None:
        yield VersionRow.created < query.until
    if query.text:
        # SQLite's LIKE looks past the case of ASCII letters by itself, and faster than with lower()
        sqlite = connection.dialect.name == "sqlite"
        looks = VersionRow.message.contains if sqlite else VersionRow.message.icontains
        yield looks(query.text, autoescape=True)


def _after(connection: Connection, before: int | None) -> Iterator[Condition]:
    if before is None:
        return
    created = connection.execute(select(VersionRow.created).where(VersionRow.number == before)).scalar()
    if created is None:
        raise Refusal(f"no version has the number {before}; a page begins with the last number of the one before")
    yield tuple_(VersionRow.created, VersionRow.number) < tuple_(created, before)


def _of_contributors(connection: Connection, query: LogQuery) -> list[tuple[Condition, ...]]:
    if query.contributor is None and not query.nodes:
        return [()]
    nodes = set(query.nodes)
    if query.contributor is not None:
        called = _nodes_called(connection, query.contributor)
        nodes = called & nodes if query.nodes else called
    return [(VersionRow.node == node,) for node in sorted(nodes)] or [(VersionRow.number < 0,)]


def _nodes_called(connection: Connection, name: str) -> set[str]:
    """The keys that a name or the beginning of a key stands for.

    Raises:
        Refusal: for none, or too many.
    """
    named = select(OfferRow.node).where(OfferRow.name == name).limit(MOST_NODES)
    found = set(connection.execute(named).scalars())
    theirs = select(KeyRow.key).join(MemberRow, MemberRow.id == KeyRow.member).where(MemberRow.name == name)
    found |= set(connection.execute(theirs.limit(MOST_NODES)).scalars())
    if HEXADECIMAL.fullmatch(name):
        last = name + "f" * (64 - len(name))
        nodes, after = VersionRow.node, name
        # one step for each key: the list of a busy node's versions is never read
        while len(found) <= MOST_NODES:
            lowest = select(nodes).where(nodes >= after, nodes <= last).order_by(nodes).limit(1)
            node = connection.execute(lowest).scalar()
            if node is None:
                break
            found.add(node)
            after = node + "0"
    if not found:
        raise Refusal(f"no contributor is called {name!r}, and no key that made a version begins with it")
    if len(found) > MOST_NODES:
        raise Refusal(f"more than {MOST_NODES} keys begin with {name}; type more of it")
    return found


def _of_round(connection: Connection, query: LogQuery) -> list[tuple[Condition, ...]]:
    """What was made in a round, and what its log names since it was known before."""
    if query.round is None:
        return [()]
    id = _round(connection, query.round)
    named = select(EventRow.subject).where(EventRow.round == id, EventRow.kind.in_(("version", RESULT)))
    return [(VersionRow.round == id,), (VersionRow.id.in_(named),)]


def _round(connection: Connection, id_or_name: str) -> str:
    try:
        return round_by(connection, id_or_name).id
    except Refusal:
        # contributions may name a round that this registry never had a row of
        known = select(EventRow.number).where(EventRow.round == id_or_name).limit(1)
        if connection.execute(known).first() is None:
            raise
        return id_or_name
