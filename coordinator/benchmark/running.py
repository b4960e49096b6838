"""Running a benchmark: forecast, rehearse every round, and collect what is complete. Called again, it goes on.

A benchmark of one's own may start from versions of another registry. They are checked there, and entered in the
benchmark's own registry as imports whose parent is the benchmark's foundation. So buffers are compared when they come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from coordinator.benchmark.suite import Planned, Suite
from coordinator.driver import RoundDriver
from coordinator.inputs import ancestors, given_starts
from coordinator.rehearsal import ALIAS, RehearsalSite, lay_out, offer_all, rehearse_all, seconds_per_step
from coordinator.settings import RoundSettings, banned_domains, resolve
from ratatouille.analysis.benchmark import BenchmarkRound, Summary, summarise
from ratatouille.analysis.report import report
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import FineTune, Import
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Version
from ratatouille.folders import write_whole
from ratatouille.recipes.plan import forecast
from ratatouille.recipes.round import Given
from ratatouille.record import Record
from registry.maintainer import Maintainer
from registry.opening import open_registry
from registry.records import Result
from registry.services.registry import Registry


class Cost(Record):
    """The cost of a benchmark."""

    rounds: int
    trainings: int
    """Distinct ones: what several rounds or recipes ask for is trained once."""
    known: int
    """Of these, trained already."""
    asked: int
    """Trainings that the recipes would take without sharing."""
    steps: int
    """Steps still to train."""
    seconds: float
    """Time of the trainings that are done, added up."""
    seconds_per_step: float | None
    """From the trainings that are done, or else from a few steps of one; None where there is none."""

    def hours(self, workers: int) -> float | None:
        """Hours that the open steps will take; None while the pace is unknown."""
        return None if self.seconds_per_step is None else self.steps * self.seconds_per_step / workers / 3600


@dataclass(frozen=True)
class PreparedSuite:
    """A suite in its folder."""

    suite: Suite
    folder: Path

    @property
    def site(self) -> RehearsalSite:
        """Registry and data of the worker processes."""
        return RehearsalSite(str(self.folder / "registry"), self.suite.nodes, self.folder / "work")


def prepare(suite: Suite, folder: Path, source: Registry | None = None) -> PreparedSuite:
    """Define the tasks, enter the foundation and bring the starts, unless an earlier call has done so.

    Args:
        suite: what the benchmark consists of.
        folder: where it is kept.
        source: the registry that has the suite's starts; it may be left out where there are none.

    Raises:
        Refusal: a foundation that cannot be entered, tasks of another definition in this folder, or a version that is
            not fit to be a start.
    """
    prepared = PreparedSuite(suite, folder)
    lay_out(prepared.site, suite.tasks, suite.foundation, suite.image_size, suite.architecture)
    if suite.starts:
        assert source is not None
        starts = bring_starts(suite.starts, source, suite.rounds[0].settings, prepared.site)
        rounds = [replace(one, settings=one.settings.model_copy(update={"starts": starts})) for one in suite.rounds]
        prepared = PreparedSuite(replace(suite, rounds=tuple(rounds)), folder)
    _write_files(prepared)
    return prepared


def _write_files(prepared: PreparedSuite) -> None:
    """The rounds and nodes as files, for `ratatouille analyse` and for running one of them by hand."""
    for planned in prepared.suite.rounds:
        values = planned.settings.model_dump(mode="json", exclude_none=True)
        _write(prepared.folder / "rounds" / f"{planned.settings.name}.toml", values)
    for node in prepared.suite.nodes:
        _write(prepared.folder / "nodes" / f"{node.name}.toml", node.model_dump(mode="json", exclude_none=True))


def _write(path: Path, values: dict[str, Any]) -> None:
    write_whole(path, [tomli_w.dumps(values).encode()])


def cost(prepared: PreparedSuite) -> Cost:
    """What the benchmark will take, as far as the registry knows now."""
    registry = open_registry(prepared.site.url)
    offer_all(registry, prepared.site)
    orders: dict[str, Order] = {}
    facts: dict[str, Result] = {}
    asked = 0
    for planned in prepared.suite.rounds:
        driver = driver_of(planned, registry)
        needed = forecast(driver.round, driver.facts)
        orders |= needed.orders
        facts |= driver.facts
        asked += needed.shared + sum(isinstance(order.assignment, FineTune) for order in needed.orders.values())
    trainings = {
        work_id: order.assignment for work_id, order in orders.items() if isinstance(order.assignment, FineTune)
    }
    done = [work_id for work_id in trainings if work_id in facts]
    steps_done = sum(trainings[work_id].steps for work_id in done)
    seconds = sum(facts[work_id].seconds for work_id in done)
    return Cost(
        rounds=len(prepared.suite.rounds),
        trainings=len(trainings),
        known=len(done),
        asked=asked,
        steps=sum(assignment.steps for work_id, assignment in trainings.items() if work_id not in facts),
        seconds=seconds,
        seconds_per_step=seconds / steps_done if steps_done else _pace(prepared, [orders[one] for one in trainings]),
    )


def _pace(prepared: PreparedSuite, trainings: Sequence[Order]) -> float | None:
    """The pace of the largest of these trainings: those with the most domains take the largest batches."""
    sizes = [len(order.assignment.domains) if isinstance(order.assignment, FineTune) else 0 for order in trainings]
    return seconds_per_step(prepared.site, trainings[sizes.index(max(sizes))]) if sizes else None


def carry_out(prepared: PreparedSuite, workers: int, on_progress: Callable[[Sequence[RoundDriver]], None]) -> None:
    """Run every round to its end.

    Raises:
        Refusal: as `rehearse_all` does.
    """
    rehearse_all(
        [planned.settings for planned in prepared.suite.rounds], prepared.site, workers, on_progress=on_progress
    )


def collect(prepared: PreparedSuite) -> list[Summary]:
    """The summary of each target, from the rounds that are complete now."""
    registry = open_registry(prepared.site.url)
    offer_all(registry, prepared.site)
    cells = []
    for planned in prepared.suite.rounds:
        driver = driver_of(planned, registry)
        plan = driver.gather()
        if plan.done:
            table = report(driver.round, plan.outcomes)
            target = planned.settings.target
            cells.append(BenchmarkRound(target=target, setting=planned.setting, trial=planned.trial, report=table))
    return summarise(prepared.suite.name, cells)


def driver_of(planned: Planned, registry: Registry) -> RoundDriver:
    """The driver of a planned round, with all answers that the registry has."""
    driver = RoundDriver(resolve(planned.settings, registry), registry, time.time())
    driver.gather()
    return driver


def bring_starts(
    revisions: Sequence[str], source: Registry, settings: RoundSettings, site: RehearsalSite
) -> tuple[str, ...]:
    """Enter versions of another registry in the site's own; returns what rounds call them there.

    Args:
        revisions: as the source knows them.
        source: the registry that has them.
        settings: target and held-out domains, for what a start may have seen.
        site: where the foundation and the target's definition are.

    Raises:
        Refusal: for a version that is not fit to be a start.
    """
    here = open_registry(site.url)
    foundation = here.versions.show(ALIAS).entry.version
    target = here.definitions.task(settings.target)
    aliases = []
    for revision in revisions:
        origin = _origin(revision, source, foundation)
        for given in given_starts([revision], source, origin, target, banned_domains(settings)):
            aliases.append(_enter_start(given, source, here, foundation, Signer.open(site.folder / "starts" / "key")))
    here.close()
    return tuple(dict.fromkeys(aliases))


def _origin(revision: str, source: Registry, foundation: Version) -> Version:
    """The ancestor of a start that has the foundation's weights."""
    for entry in ancestors(source, revision).values():
        if entry.version.featurizer == foundation.featurizer and entry.id != source.versions.resolve(revision):
            return entry.version
    raise Refusal(
        f"start '{revision}' does not come from the weights that this benchmark starts from; name the start's own "
        "foundation with --foundation, or leave it out of `starts`"
    )


def _enter_start(given: Given, source: Registry, here: Registry, foundation: Version, signer: Signer) -> str:
    digest = given.start.featurizer
    question = Import(
        architecture=foundation.architecture,
        featurizer=digest,
        source=f"version {given.start.version} of another registry, {given.name} there",
    )
    receipt = Receipt(assignment=question, parents=(foundation.id,), node=signer.node, featurizer=digest)
    result = here.weights.push(signer.seal(receipt), {digest: source.weights.fetch(digest)})
    assert result.version is not None
    alias = f"start-{given.name}"[:80]
    Maintainer(here, signer).release(result.version, alias, question.source)
    return alias
