"""The history as a list of rounds, and the page of one round: its graph, versions, releases and log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ratatouille.errors import Misconfigured, Refusal
from ratatouille.exchange.log_head import LogHead
from ratatouille.exchange.signing import unseal
from ratatouille.record import Digest, Record
from registry.presentation.scores import scored_cells
from registry.records import ALIVE, AliasMove, Event, LogQuery, RoundRecord, WitnessRecord
from registry.services.registry import Registry
from registry.web.drawing.layers import Drawing, both_ways
from registry.web.page import Page, Query, named_in_address
from registry.web.pages.live import Feed, RunningRound, progress
from registry.web.summaries import (
    MOST_ALIASES,
    MOST_IN_ROUND,
    RoundSummary,
    VersionSummary,
    recent_moves,
    round_facts,
    sources,
    summary,
)

PAGE = 4
"""Rounds on one page."""
MOST_OPEN = 50
NEWEST = 200
"""So many of the latest versions are looked through for those that no round made."""
SHOWN_OUTSIDE = 12
LISTED = 50
"""Versions that the page of a round lists at once."""
MOST_RESULTS = 8
MOST_WITNESSES = 5


class RoundView(RoundSummary):
    """A round with what was made in it."""

    counts: dict[str, int]
    """Versions by the rule that made them."""
    whole: bool
    """False: the round has more versions than are listed here."""
    versions: tuple[VersionSummary, ...]
    sources: tuple[VersionSummary, ...]
    """Versions from elsewhere that they were made from."""
    moves: tuple[AliasMove, ...]
    """Moves of aliases to versions of this round, latest first."""


class ShownLogHead(Record):
    """The head of the event log, with which a reader can compare their own."""

    size: int
    root: Digest
    key: Digest
    """Of the log."""
    witnesses: tuple[WitnessRecord, ...]
    """Heads that members signed lately."""


class HistoryPage(Record):
    """The content of the page."""

    rounds: tuple[RoundView, ...]
    continued: bool
    """False: these are the latest rounds."""
    earlier: str | None
    """Id of the round that the next page is `before`; None on the last page."""
    outside: tuple[VersionSummary, ...]
    """Of the latest versions those that were made outside of rounds; on the first page only."""
    aliases: dict[str, Digest]
    log: ShownLogHead | None
    """On the first page only; None where the registry signs no heads."""


def page(registry: Registry, query: Query) -> Page:
    """The history, some rounds at a time."""
    before = query.text("before") or None
    opened = query.all("open", MOST_OPEN)
    records = registry.rounds.rounds(before=before, limit=PAGE + 1)
    moves = recent_moves(registry)
    rounds = tuple(view(registry, record, moves) for record in records[:PAGE])
    newest = registry.versions.log(limit=NEWEST) if before is None else []
    shown = HistoryPage(
        rounds=rounds,
        continued=before is not None,
        earlier=rounds[-1].id if len(records) > PAGE else None,
        outside=tuple([summary(entry) for entry in newest if entry.round is None][:SHOWN_OUTSIDE]),
        aliases=registry.releases.aliases(limit=MOST_ALIASES),
        log=_log_head(registry) if before is None else None,
    )
    drawings = {one.id: drawn(one, opened) for one in rounds}
    return Page("history.html.jinja", shown, {"drawings": drawings, "opened": opened, "asked_before": before})


def _log_head(registry: Registry) -> ShownLogHead | None:
    try:
        sealed = registry.transparency.head().head
        head = unseal(sealed, LogHead)
        witnesses = registry.transparency.witnesses(limit=MOST_WITNESSES)
    except (Refusal, Misconfigured):
        return None
    return ShownLogHead(size=head.size, root=head.root, key=sealed.node, witnesses=tuple(witnesses))


def view(registry: Registry, record: RoundRecord, moves: list[AliasMove]) -> RoundView:
    """A round as the registry knows it now."""
    entries = registry.versions.log(LogQuery(round=record.id), limit=MOST_IN_ROUND)
    versions = tuple(summary(entry) for entry in entries)
    ids = {one.id for one in versions}
    return RoundView(
        **round_facts(record),
        counts=dict(Counter(one.rule for one in versions)),
        whole=len(versions) < MOST_IN_ROUND,
        versions=versions,
        sources=tuple(sources(registry, versions)),
        moves=tuple(sorted((move for move in moves if move.version in ids), key=lambda move: -move.at)),
    )


def drawn(round: RoundView, opened: tuple[str, ...]) -> tuple[Drawing, Drawing]:
    """The round's graph for wide and for narrow screens; groups are opened by `round:group`."""
    keys = {key.partition(":")[2] for key in opened if key.startswith(f"{round.id}:")}
    return both_ways(round.versions, round.sources, keys)


class DomainAccuracy(Record):
    """An accuracy, with the half-width of its 95 % interval over images."""

    value: float
    margin: float


class AverageScores(Record):
    """Scores of a version of the round, by domain and split."""

    version: VersionSummary
    scores: dict[str, DomainAccuracy]


class RoundPage(Record):
    """The content of the page of a round."""

    round: RoundView
    progress: RunningRound
    alive: bool
    spec: str
    """The settings, resolved, as JSON text."""
    versions: tuple[VersionSummary, ...]
    """Some of the round's versions, latest first."""
    earlier: int | None
    """Number that continues the list, as `before`."""
    lines: tuple[Event, ...]
    results: tuple[AverageScores, ...]
    """The versions that its recipes ended in, or else its latest averages, that were counted."""
    counted: tuple[str, ...]
    """Domains and splits of the results, those of held-out images first."""


def round_page(feed: Feed, registry: Registry, query: Query) -> Page:
    """One round.

    Raises:
        NotThere: for a name or id that is no round's.
    """
    with named_in_address():
        record = registry.rounds.round(query.path["round"])
    whole = view(registry, record, recent_moves(registry))
    opened = query.all("open", MOST_OPEN)
    before = query.number("before", 0, 0, 10**9 - 1) or None
    entries = registry.versions.log(LogQuery(round=record.id), before, LISTED + 1)
    log = feed.read(record.id)
    results = _results(registry, _ends(whole))
    shown = RoundPage(
        round=whole,
        progress=progress(feed, record),
        alive=record.state in ALIVE,
        spec=record.spec,
        versions=tuple(summary(entry) for entry in entries[:LISTED]),
        earlier=entries[LISTED - 1].number if len(entries) > LISTED else None,
        lines=tuple(reversed(log.lines)),
        results=tuple(results),
        counted=tuple(dict.fromkeys(name for result in results for name in result.scores)),
    )
    drawings = drawn(whole, opened)
    return Page("round.html.jinja", shown, {"drawings": drawings, "opened": opened, "continued": before is not None})


def _ends(round: RoundView) -> list[VersionSummary]:
    """The versions that the round's recipes ended in; its averages where it names none."""
    named = [one for one in round.versions if any(result.round == round.id for result in one.recipes)]
    return named or [one for one in round.versions if one.rule == "combine"]


def _results(registry: Registry, ends: Sequence[VersionSummary]) -> list[AverageScores]:
    """Those with counts on all images of a domain, the latest first."""
    found = []
    for version in ends[:MOST_RESULTS]:
        scores = {
            f"{cell.domain} {cell.split}": DomainAccuracy(value=cell.accuracy, margin=cell.margin)
            for cell in scored_cells(registry.versions.show(version.id).evaluations)
            if cell.slice == "all" and not cell.trial and cell.accuracy is not None and cell.margin is not None
        }
        if scores:
            found.append(AverageScores(version=version, scores=scores))
    return found
