"""The history: rounds from the latest on, each as a graph, with the releases that came out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from ratatouille.record import Digest, Record
from registry.records import AliasMove, RoundRecord
from registry.services.registry import Registry
from registry.web.asked import Asked
from registry.web.brief import Brief
from registry.web.drawing.both import both_ways
from registry.web.drawing.layers import Drawing
from registry.web.listing import MOST_ALIASES, MOST_IN_ROUND, newest, of_round, recent_moves, sources, targets_of
from registry.web.page import Page

PAGE = 4
"""Rounds on one page."""
MOST_OPEN = 50
NEWEST = 200
"""So many of the latest versions are looked through for those that no round made."""
SHOWN_OUTSIDE = 12


class RoundView(Record):
    """A round with what was made in it."""

    id: str
    name: str
    state: str
    reason: str
    created: float
    changed: float
    counts: dict[str, int]
    """Versions by the rule that made them."""
    whole: bool
    """False: the round has more versions than are listed here."""
    versions: tuple[Brief, ...]
    sources: tuple[Brief, ...]
    """Versions from elsewhere that they were made from."""
    moves: tuple[AliasMove, ...]
    """Moves of aliases to versions of this round, latest first."""


class History(Record):
    """What the page says."""

    rounds: tuple[RoundView, ...]
    continued: bool
    """False: these are the latest rounds."""
    earlier: str | None
    """Id of the round that the next page is `before`; None on the last page."""
    outside: tuple[Brief, ...]
    """Of the latest versions those that were made outside of rounds; on the first page only."""
    aliases: dict[str, Digest]


def page(registry: Registry, asked: Asked) -> Page:
    """The history, some rounds at a time."""
    before = asked.text("before") or None
    opened = asked.all("open", MOST_OPEN)
    records = registry.rounds.rounds(before=before, limit=PAGE + 1)
    moves = recent_moves(registry)
    rounds = tuple(view(registry, record, moves) for record in records[:PAGE])
    outside = [one for one in newest(registry, NEWEST) if one.round is None] if before is None else []
    shown = History(
        rounds=rounds,
        continued=before is not None,
        earlier=rounds[-1].id if len(records) > PAGE else None,
        outside=tuple(outside[:SHOWN_OUTSIDE]),
        aliases=registry.releases.aliases(limit=MOST_ALIASES),
    )
    targets = targets_of(registry)
    drawings = {one.id: drawn(one, targets, opened) for one in rounds}
    return Page("history.html.jinja", shown, {"drawings": drawings, "opened": opened, "asked_before": before})


def view(registry: Registry, record: RoundRecord, moves: list[AliasMove]) -> RoundView:
    """A round as the registry knows it now."""
    versions = of_round(registry, record.id)
    ids = {one.id for one in versions}
    return RoundView(
        id=record.id,
        name=record.name,
        state=record.state,
        reason=record.reason,
        created=record.created,
        changed=record.changed,
        counts=dict(Counter(one.rule for one in versions)),
        whole=len(versions) < MOST_IN_ROUND,
        versions=tuple(versions),
        sources=tuple(sources(registry, versions)),
        moves=tuple(sorted((move for move in moves if move.version in ids), key=lambda move: -move.at)),
    )


def drawn(round: RoundView, targets: Collection[str], opened: tuple[str, ...]) -> tuple[Drawing, Drawing]:
    """The round's graph for wide and for narrow screens; groups are opened by `round:group`."""
    keys = {key.partition(":")[2] for key in opened if key.startswith(f"{round.id}:")}
    return both_ways(round.versions, round.sources, targets, keys)
