"""In-domain against out-of-domain: whether validation ranks as held-out images do, and what choosing by it costs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ratatouille.analysis.intervals import Interval, Joint, difference, joints, rank_correlation
from ratatouille.analysis.table import Cell, Column, Table, points
from ratatouille.recipes.outcome import Candidate, Outcome, exact_score
from ratatouille.recipes.recipe import RECIPES
from ratatouille.recipes.studies import SelectionStudy
from ratatouille.record import Record
from ratatouille.wording import number_of

Scores = tuple[Fraction | None, Fraction | None]
"""Of validation and of held-out images, exactly; None where no image was counted."""


class ScoredNetwork(Record):
    """A run or a final version, once, with the first recipe that has it."""

    label: str
    recipe: str
    starts: str
    """Where its recipe starts: a row of `columns.STARTS`."""
    final: bool
    """Whether a recipe ends with it; the best run of `vanilla` is a run and a final version."""
    run: bool
    validation: float | None
    held_out: float | None


class Choice(Record):
    """What choosing by validation costs among some networks."""

    among: str
    networks: int
    chosen: int
    """Place among all networks of the first with the highest validation score."""
    best: int
    """Place of the first with the highest held-out score."""
    regret: float
    """The best one's held-out score less the chosen one's: never negative, since the best is known by looking."""
    interval: Interval | None
    """Its 95 % interval over images; for plain accuracy only."""


class Selection(Record):
    """The result of the study of selection."""

    sentence: str
    networks: tuple[ScoredNetwork, ...]
    runs: Interval | None
    """Rank correlation of validation and held-out score over single runs."""
    versions: Interval | None
    """The same over final versions."""
    choices: tuple[Choice, ...]


def selection(asked: SelectionStudy, outcomes: Sequence[Outcome], metric: str) -> Selection:
    """Measure all runs and final versions of a round."""
    finals = {one.final.version for one in outcomes if one.final is not None}
    members = {member.version for one in outcomes for member in one.members}
    scores = [_scores(one, metric) for one in asked.networks]
    networks = tuple(
        ScoredNetwork(
            label=one.label,
            recipe=_recipe(one, outcomes),
            starts=RECIPES[_recipe(one, outcomes)].starts,
            final=one.version in finals,
            run=one.version in members,
            validation=None if validation is None else float(validation),
            held_out=None if held_out is None else float(held_out),
        )
        for one, (validation, held_out) in zip(asked.networks, scores, strict=True)
    )
    places = {one.version: place for place, one in enumerate(asked.networks)}
    domains = joints(asked.held_out) if metric == "accuracy" else []
    groups = [("all runs", [place for place, one in enumerate(networks) if one.run])]
    groups += [(f"runs of {one.recipe}", [places[member.version] for member in one.members]) for one in outcomes]
    groups += [("final versions", [place for place, one in enumerate(networks) if one.final])]
    choices = tuple(choice for name, group in groups if (choice := _choice(name, group, scores, domains)) is not None)
    return finished(networks, scores, choices)


def finished(networks: tuple[ScoredNetwork, ...], scores: Sequence[Scores], choices: tuple[Choice, ...]) -> Selection:
    """The whole of it, with rank correlations and the sentence; `scores` are those of the networks."""
    of = list(zip(networks, scores, strict=True))
    found = Selection(
        sentence="",
        networks=networks,
        runs=_ranked([both for one, both in of if one.run]),
        versions=_ranked([both for one, both in of if one.final]),
        choices=choices,
    )
    return found.model_copy(update={"sentence": _sentence(found)})


def _recipe(one: Candidate, outcomes: Sequence[Outcome]) -> str:
    """The first recipe among whose runs it is, or which ends with it."""
    for outcome in outcomes:
        if any(member.version == one.version for member in outcome.members):
            return outcome.recipe
    return next(each.recipe for each in outcomes if each.final is not None and each.final.version == one.version)


def _scores(one: Candidate, metric: str) -> Scores:
    return exact_score(one.validation or (), metric), exact_score(one.held_out or (), metric)


def _ranked(scores: Sequence[Scores]) -> Interval | None:
    known = [(one, other) for one, other in scores if one is not None and other is not None]
    return rank_correlation([one for one, _ in known], [other for _, other in known])


def _choice(among: str, places: Sequence[int], scores: Sequence[Scores], domains: Sequence[Joint]) -> Choice | None:
    scored: dict[int, tuple[Fraction, Fraction]] = {}
    for place in dict.fromkeys(places):
        validation, held_out = scores[place]
        if validation is not None and held_out is not None:
            scored[place] = validation, held_out
    if len(scored) < 2:
        return None
    chosen = max(scored, key=lambda place: scored[place][0])
    best = max(scored, key=lambda place: (scored[place][1], place == chosen))
    return Choice(
        among=among,
        networks=len(scored),
        chosen=chosen,
        best=best,
        regret=float(scored[best][1] - scored[chosen][1]),
        interval=difference(domains, best, chosen) if domains else None,
    )


def table(found: Selection) -> Table:
    """What choosing costs, group by group; then every network."""
    columns = (
        Column(name="what"),
        Column(name="networks", unit="number"),
        Column(name="chosen or named"),
        Column(name="validation", unit="percent"),
        Column(name="held out", unit="percent"),
        Column(name="best held out", unit="percent"),
        Column(name="cost of choosing", unit="points"),
        Column(name="from", unit="points"),
        Column(name="to", unit="points"),
    )
    rows: list[tuple[Cell, ...]] = []
    for one in found.choices:
        chosen, best = found.networks[one.chosen], found.networks[one.best]
        cost = (one.regret, *((one.interval.low, one.interval.high) if one.interval else (None, None)))
        named = (one.among, one.networks, f"{chosen.recipe} {chosen.label}")
        rows.append((*named, chosen.validation, chosen.held_out, best.held_out, *cost))
    first = len(rows)
    for network in found.networks:
        what = "run" if network.run else "version"
        scores = (network.validation, network.held_out)
        rows.append((what, 1, f"{network.recipe} {network.label}", *scores, None, None, None, None))
    return Table(columns=columns, rows=tuple(rows), first=first or None)


def _sentence(found: Selection) -> str:
    if not any(one.held_out is not None for one in found.networks):
        return "No held-out image was counted, so validation cannot be compared with anything."
    said = [
        _ranking("runs", found.runs, [one for one in found.networks if one.run]),
        _cost(found, "all runs", "the run"),
        _cost(found, "final versions", "the final version"),
    ]
    return " ".join(filter(None, said))


def _ranking(what: str, found: Interval | None, networks: Sequence[ScoredNetwork]) -> str:
    number = number_of(len(networks), what.removesuffix("s"))
    if found is None:
        return f"{number} cannot tell whether validation ranks {what} as held-out images do."
    r = f"rank correlation {found.value:.2f}, 95 % {found.low:.2f} to {found.high:.2f} over {number}"
    if found.low > 0:
        return f"Validation ranks {what} as held-out images do, in tendency ({r})."
    if found.high < 0:
        return f"Validation ranks {what} against held-out images ({r})."
    return f"Whether validation ranks {what} as held-out images do cannot be told ({r})."


def _cost(found: Selection, among: str, what: str) -> str:
    one = next((choice for choice in found.choices if choice.among == among), None)
    if one is None:
        return ""
    if one.best == one.chosen:
        return f"Of {one.networks}, {what} that validation chooses is the best held out too."
    named = f"{what[0].upper()}{what[1:]} that validation chooses"
    text = f"{named} is {points(one.regret)} points below the best of {one.networks}"
    if one.interval is None:
        return f"{text}."
    between = f"95 % {points(one.interval.low)} to {points(one.interval.high)}"
    sure = "more than noise" if one.interval.low > 0 else "which this many images cannot tell from chance"
    return f"{text}, {sure} ({between})."
