"""One walk through a round: heads, runs, what is counted of them, and recipes; it notes the questions that are open.

Methods return None for what is not known yet. The caller then goes on with work that does not depend on it. `plan` owns
the walk, `questions` has the single questions, and the columns of the recipe table steer it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ratatouille.exchange.assignment import Cell, Keep, KeepLast
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.exchange.version import Parent
from ratatouille.recipes.columns import COMBINATIONS, KEEPS, STARTS, kept_with, mean_of
from ratatouille.recipes.outcome import Candidate, Fact, Outcome
from ratatouille.recipes.questions import Comparing, Questions, StartWeights, Training
from ratatouille.recipes.recipe import Recipe
from ratatouille.recipes.round import Auxiliary, Given, HoldingShare, Start


class Walk(Questions):
    """One walk; methods return None for what is not known yet."""

    # -- heads

    def shared_head(self, trial: int) -> tuple[str, Fact | None]:
        """The one head w_lp of the target in a trial: probed on the foundation, averaged if several holdings did so."""
        trial = self._probe_trial(trial)
        probes = [
            self.probe(self.round.task, share, f"head of {self.round.target}" + self._part(i), trial)
            for i, share in enumerate(self.round.training)
        ]
        if len(probes) == 1:
            return probes[0]
        versions = [fact.version for _, fact in probes if fact is not None and fact.version is not None]
        if len(versions) < len(probes):
            return "", None
        return self.combine([Parent(version=version) for version in versions], "shared_head")

    def _probe_trial(self, trial: int) -> int:
        return 0 if self.round.protocol.probe_trial == "first" else trial

    def _part(self, number: int) -> str:
        return f" (holding {number + 1} of {len(self.round.training)})" if len(self.round.training) > 1 else ""

    # -- runs

    def start(self, one: Auxiliary | Given, number: int) -> Start | None:
        """The start of target run `number` from this member of the pool."""
        return one.start if isinstance(one, Given) else self.auxiliary(one, number)

    def auxiliary(self, auxiliary: Auxiliary, number: int) -> Start | None:
        """The featurizer that target run `number` starts from: the last step of run `number` mod R on an auxiliary
        task, from that task's own probe (docs/method.md §3.8).

        Where the task's domains are spread over holdings, each has R runs and a probe of its own, and target runs take
        the holdings in turn. Trials reshuffle the target's splits only: auxiliary work is done once for all targets.
        """
        holdings, runs = len(auxiliary.shares), self.round.protocol.auxiliary_runs
        starts = len(self.round.pool) + 1
        share, number = auxiliary.shares[number // starts % holdings], number % runs
        part = f" (holding {auxiliary.shares.index(share) + 1} of {holdings})" if holdings > 1 else ""
        _, probed = self.probe(auxiliary.task, share, f"head of {auxiliary.name}{part}", 0)
        if probed is None or probed.head is None or probed.version is None:
            return None
        weights = StartWeights(self.round.foundation, probed.head, probed.version)
        label = f"{auxiliary.name} run {number + 1}{part}"
        work = Training(auxiliary.task, share, auxiliary.name, number, 0, KeepLast(), label, "auxiliary")
        answer = self.fine_tune(work, weights)[1]
        if answer is None or answer.version is None or answer.featurizer is None:
            return None
        return Start(version=answer.version, featurizer=answer.featurizer)

    def run(self, recipe: Recipe, number: int, trial: int) -> Candidate | None:
        """Target run `number` of a recipe in a trial."""
        start = STARTS[recipe.starts].choose(self, number, trial)
        head = self.shared_head(trial)[1]
        if start is None or head is None or head.head is None or head.version is None or recipe.keeps is None:
            return None
        keeps, share = KEEPS[recipe.keeps], self.holding(number)
        label = f"{recipe.name} run {number + 1} of {self.round.protocol.runs}"
        if self.round.pool_trials > 1:
            label += f", trial {trial}"
        kept = self.keep(recipe.keeps)
        work = Training(self.round.task, share, self.round.target, number, trial, kept, label, recipe.name)
        work_id, fact = self.fine_tune(work, StartWeights(start, head.head, head.version))
        name = f"run {number + 1}"
        if keeps.mixed_with_start is None:
            return _with_author(self.candidate(work_id, fact, name, trial, share), fact, start, head)
        if fact is None:
            return None
        parents = kept_with(fact, head, keeps.mixed_with_start(self.round.protocol))
        mixed = None if parents is None else self.candidate(*self.combine(parents, recipe.name), name, trial)
        return _with_author(mixed, fact, start, head)

    def keep(self, name: str) -> Keep:
        """What a node is asked to keep by a row of the second column."""
        return KEEPS[name].asked(self.round.protocol)

    def holding(self, number: int) -> HoldingShare:
        """The holding that run `number` trains on: the same for all recipes, so that they are paired run by run, and
        balanced over starts.
        """
        starts = len(self.round.pool) + 1
        return self.round.training[(number % starts + number // starts) % len(self.round.training)]

    # -- counts

    def candidate(
        self, work_id: str, fact: Fact | None, label: str, trial: int | None, own: HoldingShare | None = None
    ) -> Candidate | None:
        """A version of the target with its counts; evaluations that are missing are asked for.

        A training's receipt already counts the validation split of its own holding. Without a trial, as for runs of
        several trials together, nothing is validated.
        """
        if fact is None or fact.version is None or fact.featurizer is None or fact.head is None:
            return None
        validation: list[Evaluation] | None = []
        for share in self.round.training if trial is not None else ():
            assert trial is not None
            counted = (
                fact.evaluations if share == own else self.evaluate(fact, share, validation_cells(share), label, trial)
            )
            validation = None if counted is None or validation is None else [*validation, *counted]
        held_out: list[Evaluation] | None = []
        for share in self.round.evaluation:
            counted = self.evaluate(fact, share, self._held_out(share), label, self.round.trial)
            held_out = None if counted is None or held_out is None else [*held_out, *counted]
        return Candidate(
            version=fact.version,
            featurizer=fact.featurizer,
            head=fact.head,
            label=label,
            work_id=work_id,
            trial=self.round.trial if trial is None else trial,
            validation=None if validation is None else tuple(validation),
            held_out=None if held_out is None else tuple(held_out),
        )

    def _held_out(self, share: HoldingShare) -> tuple[Cell, ...]:
        slices: tuple[Literal["all", "seen", "new"], ...] = ("all", *self.round.slices)
        return tuple(Cell(domain=domain, split="all", slice=slice_) for domain in share.domains for slice_ in slices)

    def validate_mean(self, members: Sequence[Candidate]) -> tuple[Evaluation, ...] | None:
        """Counts of the uniform mean of members on all validation splits; the mean becomes no version."""
        versions = tuple(str(member.version) for member in members)
        asked = Comparing((mean_of(members),), versions, f"validate a mean of {len(members)}")
        counted: list[Evaluation] = []
        complete = True
        for share in self.round.training:
            found = self.compare(asked, share, validation_cells(share), members[0].trial)
            complete = complete and found is not None
            counted += found.networks[0] if found is not None and found.networks else ()
        return tuple(counted) if complete else None

    def ensemble(self, members: Sequence[Candidate]) -> Candidate:
        """The mean of the members' outputs, with its counts."""
        networks = tuple(mean_of([member]) for member in members)
        versions = tuple(str(member.version) for member in members)
        asked = Comparing(networks, versions, f"ensemble of {len(members)}", ensemble=True)
        trial = members[0].trial
        validation = [self.compare(asked, share, validation_cells(share), trial) for share in self.round.training]
        held_out = [self.compare(asked, share, self._held_out(share), trial) for share in self.round.evaluation]
        return Candidate(
            version=None,
            featurizer=None,
            head=None,
            label="ensemble",
            work_id="",
            trial=trial,
            validation=_of_ensemble(validation),
            held_out=_of_ensemble(held_out),
        )

    # -- recipes

    def follow(self, recipe: Recipe) -> Outcome:
        """Walk through one recipe."""
        first = self.round.trial
        if recipe.keeps is None:
            work_id, head = self.shared_head(first)
            counted = len(self.round.training) == 1 and first == self._probe_trial(first)
            own = self.round.training[0] if counted else None
            final = self.candidate(work_id, head, "head", first, own)
            return Outcome(recipe.name, final, (final,) if final else (), 1)
        combines = COMBINATIONS[recipe.combines]
        trials = range(first, first + (self.round.pool_trials if combines.pools_trials else 1))
        members, wanted, lost = self._runs(recipe, trials)
        least = (self.round.min_runs or wanted) if self.closing else wanted
        if len(members) < max(1, min(least, wanted - lost)):
            return Outcome(recipe.name, None, members, wanted)
        return Outcome(recipe.name, combines.of(self, self._members(members)), members, wanted)

    def _members(self, runs: Sequence[Candidate]) -> Sequence[Candidate]:
        """The runs that are combined: all, or those that trained, where the protocol leaves the others out."""
        trained = [run for run in runs if not run.untrained]
        return runs if self.round.protocol.untrained_members or not trained else trained

    def _runs(self, recipe: Recipe, trials: Sequence[int]) -> tuple[tuple[Candidate, ...], int, int]:
        """The runs that are there, how many the recipe asks for, and how many will never be done."""
        members: list[Candidate] = []
        wanted = lost = 0
        for trial in trials:
            for number in range(self.round.protocol.runs):
                before, run = self.missed, self.run(recipe, number, trial)
                wanted += 1
                if run is not None:
                    members.append(run)
                elif self.missed > before:
                    lost += 1
        return tuple(members), wanted, lost


def _with_author(run: Candidate | None, fact: Fact | None, start: Start, head: Fact) -> Candidate | None:
    """The run with its author, and whether its weights are those that it started from."""
    if run is None or fact is None:
        return run
    untrained = (fact.featurizer, fact.head) == (start.featurizer, head.head)
    return replace(run, untrained=untrained, author=fact.node)


def _of_ensemble(comparisons: Sequence[Comparison | None]) -> tuple[Evaluation, ...] | None:
    known = [comparison for comparison in comparisons if comparison is not None]
    if len(known) < len(comparisons):
        return None
    return tuple(evaluation for comparison in known for evaluation in comparison.ensemble)


def validation_cells(share: HoldingShare) -> tuple[Cell, ...]:
    """The validation split of each domain of a holding."""
    return tuple(Cell(domain=domain, split="validation") for domain in share.domains)
