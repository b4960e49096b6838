"""`ratatouille check` of a task.toml and of a round.toml: how the registry knows the task, what the round would run."""

from __future__ import annotations

import time
from pathlib import Path

from coordinator.driver import RoundDriver
from coordinator.estimate import Estimate, estimate
from coordinator.settings import read_round_settings, resolve
from ratatouille.cli import output
from ratatouille.errors import Refusal, Unreachable
from ratatouille.recipes.recipe import recipe_named
from ratatouille.recipes.round import Round
from ratatouille.record import Digest, Name, Record
from ratatouille.tasks.task import Task, differences, load_task
from ratatouille.wording import number_of
from registry.commands.enter import all_tasks
from registry.commands.opened import opened

WORK = output.TableLayout(
    ("work", "runs", "known", "steps to do", "where"), drop=("known", "steps to do"), prose=("work", "where")
)


class CheckedTask(Record):
    """A task as a file defines it, and what the registry has under its name."""

    kind: str = "task"
    task: Task
    id: Digest
    registry: str
    """`defined` (the same), `new`, or `unreachable`."""

    def show(self, details: bool = False) -> None:
        """Print it for people."""
        task, split = self.task, self.task.split
        shares = {"train": split.train, "validate": split.validation, "test": split.test}
        sentences = {
            "defined": "is defined like this already",
            "new": "does not have it yet; `ratatouille task add` defines it",
            "unreachable": "does not answer, so a definition under this name could differ",
        }
        rows = [
            ("task", f"{task.name} ({task.kind})"),
            ("classes", f"{len(task.classes)}: {', '.join(task.classes)}"),
            ("domains", f"{len(task.domains)}: {', '.join(task.domains)}"),
            ("split", ", ".join(f"{100 * share:g} % {verb}" for verb, share in shares.items() if share)),
            ("metric", task.metric + (", balanced class weights" if task.class_weights == "balanced" else "")),
            ("description", task.description or "–"),
            ("id", self.id),
            ("registry", sentences[self.registry]),
        ]
        output.print_table(output.PAIRS, rows)


def checked_task(file: Path, remote: str | None) -> CheckedTask:
    """Read a task.toml and compare it with the registry's definition.

    Raises:
        Refusal: for a mistake in the file, or another definition under the same name.
    """
    task = load_task(file)
    try:
        with opened(remote, make=False) as registry:
            known = next((one for one in all_tasks(registry) if one.name == task.name), None)
    except Unreachable:
        return CheckedTask(task=task, id=task.digest, registry="unreachable")
    if known is not None and known != task:
        raise Refusal(
            f"'{file}' defines task '{task.name}' otherwise than the registry does ({differences(task, known)}); "
            "a name means one definition for ever, so choose another name"
        )
    return CheckedTask(task=task, id=task.digest, registry="defined" if known else "new")


class CheckedRound(Record):
    """A round as it would be asked for now."""

    kind: str = "round"
    id: str
    round: Round
    holders: dict[str, tuple[Name, ...]]
    """Names of the nodes that hold each fingerprint of the round."""
    questions: int
    """Everything that nodes would be asked."""
    known: int
    combinations: int
    estimate: Estimate

    def show(self, details: bool = False) -> None:
        """Print it for people."""
        round, protocol = self.round, self.round.protocol
        runs = number_of(protocol.runs, "run")
        recipes = [recipe_named(name) for name in round.recipes]
        rows = [
            ("round", f"{round.name} ({self.id})"),
            ("target", f"{round.target}, scored by {round.metric}"),
            ("trains on", "; ".join(self._held(share.fingerprint, share.domains) for share in round.training)),
            ("held out", "; ".join(self._held(one.fingerprint, one.domains) for one in round.evaluation) or "nothing"),
            *(
                (f"auxiliary {one.name}", "; ".join(self._held(each.fingerprint, each.domains) for each in one.shares))
                for one in round.auxiliaries
            ),
            *((f"start {one.name}", f"version {one.start.version[:12]} of this registry") for one in round.starts),
            ("protocol", f"{protocol.name}: {runs} of {number_of(protocol.steps, 'step')}, {protocol.image_size} px"),
            *((recipe.name, recipe.summary) for recipe in recipes),
            (
                "work",
                f"{number_of(self.questions, 'question')}, {self.known} known, {self.questions - self.known} open",
            ),
            ("averages", f"{number_of(self.combinations, 'version is', 'versions are')} combined"),
        ]
        output.print_table(output.PAIRS, rows)
        work = [(row.what, str(row.all), str(row.known), str(row.steps), row.where) for row in self.estimate.rows]
        output.print_table(WORK, work, title="Work for nodes")
        output.print_line(self.estimate.sentence)
        for warning in self.estimate.warnings:
            output.print_line(f"warning: {warning}", "yellow")

    def _held(self, fingerprint: str, domains: tuple[str, ...]) -> str:
        return f"{', '.join(domains)} of {' or '.join(self.holders[fingerprint])}"


def checked_round(file: Path, remote: str | None) -> CheckedRound:
    """Read a round.toml and bind it to the registry and the nodes that are here.

    Raises:
        Refusal: for a mistake in the file, or naming the data that no node offers.
    """
    settings = read_round_settings(file)
    with opened(remote) as registry:
        round = resolve(settings, registry)
        driver = RoundDriver(round, registry, time.time())
        driver.gather()
        needed = driver.forecast()
        cost = estimate(round, needed, driver.facts, registry)
        offers = registry.work.offers()
    shares = (*round.training, *round.evaluation, *(share for one in round.auxiliaries for share in one.shares))
    return CheckedRound(
        id=round.id,
        round=round,
        holders={
            share.fingerprint: tuple(
                sorted(
                    offer.name
                    for offer in offers
                    if any(holding.fingerprint == share.fingerprint for holding in offer.holdings)
                )
            )
            for share in shares
        },
        questions=len(needed.orders),
        known=len(needed.known & needed.orders.keys()),
        combinations=len(needed.combinations),
        estimate=cost,
    )
