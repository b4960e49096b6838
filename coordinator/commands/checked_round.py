"""`ratatouille check` of a round.toml: what it would run on the data that is offered now."""

from __future__ import annotations

import time
from pathlib import Path

from coordinator.driver import RoundDriver
from coordinator.estimate import Estimate, estimate
from coordinator.settings import read_round_settings, resolve
from ratatouille.cli import output
from ratatouille.recipes.plan import forecast
from ratatouille.recipes.recipe import recipe_named
from ratatouille.recipes.round import Round
from ratatouille.record import Name, Record
from registry.commands.opened import opened


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

    def show(self) -> None:
        """Print it for people."""
        round, protocol = self.round, self.round.protocol
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
            ("protocol", f"{protocol.name}: {protocol.runs} runs of {protocol.steps} steps, {protocol.image_size} px"),
            *((recipe.name, recipe.summary) for recipe in recipes),
            ("work", f"{self.questions} questions, {self.known} known, {self.questions - self.known} open"),
            ("averages", f"{self.combinations} versions are combined"),
        ]
        output.print_table(("", ""), rows)
        work = [(row.what, str(row.all), str(row.known), str(row.steps), row.where) for row in self.estimate.rows]
        output.print_table(("work", "runs", "known", "steps to do", "where"), work, title="Work for nodes")
        output.print_line(self.estimate.sentence)
        for warning in self.estimate.warnings:
            output.print_line(f"warning: {warning}", "yellow")

    def _held(self, fingerprint: str, domains: tuple[str, ...]) -> str:
        return f"{', '.join(domains)} of {' or '.join(self.holders[fingerprint])}"


def checked_round(file: Path, remote: str | None) -> CheckedRound:
    """Read a round.toml and bind it to the registry and the nodes that are here.

    Raises:
        Refusal: for a mistake in the file, or naming the data that nobody offers.
    """
    settings = read_round_settings(file)
    with opened(remote) as registry:
        round = resolve(settings, registry)
        driver = RoundDriver(round, registry, time.time())
        driver.gather()
        needed = forecast(round, driver.facts)
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
