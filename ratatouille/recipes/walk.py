"""One walk through a round: heads, runs, what is counted of them, and recipes; it notes the questions that are open.

Methods return None for what is not known yet. The caller then goes on with work that does not depend on it. `plan` owns
the walk, `questions` has the single questions, and the columns of the recipe table steer it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.exchange.assignment import Keep, KeepLast
from ratatouille.exchange.version import Parent
from ratatouille.recipes.admission import Verdict
from ratatouille.recipes.candidates import Candidates
from ratatouille.recipes.columns import COMBINATIONS, KEEPS, STARTS, Combines, kept_with
from ratatouille.recipes.gate import Gate, Network, TargetRun
from ratatouille.recipes.outcome import Candidate, Fact, LeftOutRun, Outcome
from ratatouille.recipes.protocol import draw
from ratatouille.recipes.questions import StartWeights, Training
from ratatouille.recipes.recipe import Recipe, recipe_named
from ratatouille.recipes.round import Auxiliary, Given, HoldingShare, Start


class Walk(Candidates):
    """One walk; methods return None for what is not known yet."""

    _gates: dict[int, Gate | None] | None = None
    """What is known of the runs of each trial."""

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

    def trained(self, recipe: Recipe, number: int, trial: int) -> TargetRun | None:
        """Target run `number` of a recipe in a trial, as its node returned it."""
        start = STARTS[recipe.starts].choose(self, number, trial)
        head = self.shared_head(trial)[1]
        if start is None or head is None or head.head is None or head.version is None or recipe.keeps is None:
            return None
        share = self.holding(number)
        label = f"{recipe.name} run {number + 1} of {self.round.protocol.runs}"
        if self.round.pool_trials > 1:
            label += f", trial {trial}"
        kept = self.keep(recipe.keeps)
        work = Training(self.round.task, share, self.round.target, number, trial, kept, label, recipe.name)
        work_id, fact = self.fine_tune(work, StartWeights(start, head.head, head.version))
        if fact is None or fact.version is None or fact.featurizer is None or fact.head is None:
            return None
        return TargetRun(
            work_id=work_id,
            fact=fact,
            network=Network(fact.featurizer, fact.head, (fact.version,)),
            name=f"{recipe.name} run {number + 1}",
            number=number,
            trial=trial,
            share=share,
            start=start,
            head=Network(start.featurizer, head.head, (start.version, head.version)),
            learning_rate=draw(self.round.protocol, number, trial).learning_rate,
            training=f"{start.featurizer} {head.head} {share.fingerprint} {number} {trial}",
        )

    def run(self, recipe: Recipe, number: int, trial: int) -> Candidate | None:
        """Target run `number` of a recipe in a trial, or what the recipe mixes of it, with its counts; None too where
        it was not admitted.
        """
        run = self.trained(recipe, number, trial)
        if run is None or recipe.keeps is None:
            return None
        gate = self.gate_of(trial)
        found = self.counted_run(run.work_id, run.fact, run, gate)
        verdict = self.admitted(run)
        if verdict is None or not verdict.admitted:
            return None
        mixed_with_start = KEEPS[recipe.keeps].mixed_with_start
        if mixed_with_start is None:
            return found
        head = self.shared_head(trial)[1]
        parents = None if head is None else kept_with(run.fact, head, mixed_with_start(self.round.protocol))
        if parents is None:
            return None
        return self.counted_run(*self.combine(parents, recipe.name), run, gate, mixed=True)

    # -- admission

    def admitted(self, run: TargetRun) -> Verdict | None:
        """The verdict on a run; None while it is not known."""
        if self.round.admission == "off":
            return Verdict("admitted")
        gate = self.gate_of(run.trial)
        verdict = None if gate is None else self.verdict(run, gate)
        if verdict is not None and not self.known.imagined:
            self.plan.verdicts[run.version] = verdict
        return verdict

    def is_out(self, version: str) -> bool:
        """Whether a version was not admitted, as far as the walk knows by now."""
        verdict = self.plan.verdicts.get(version)
        return verdict is not None and not verdict.admitted

    def gate_of(self, trial: int) -> Gate | None:
        """What is known of the runs of a trial; None while runs may come, and of a round without a gate."""
        if self.round.admission == "off":
            return None
        if self._gates is None:
            self._gates = {}
        if trial not in self._gates:
            runs = self._group(trial)
            self._gates[trial] = None if runs is None else self.gate(runs)
        return self._gates[trial]

    def _group(self, trial: int) -> list[TargetRun] | None:
        """All target runs of the round's recipes in a trial, each version once; None while one may still come."""
        found: dict[str, TargetRun] = {}
        waits = False
        for recipe in map(recipe_named, self.round.recipes):
            if recipe.keeps is None or trial not in self._trials(COMBINATIONS[recipe.combines]):
                continue
            for number in range(self.round.protocol.runs):
                before, run = self.missed, self.trained(recipe, number, trial)
                if run is not None:
                    found.setdefault(run.version, run)
                elif self.missed == before and not self.closing:
                    waits = True
        return None if waits or not found else list(found.values())

    def _trials(self, combines: Combines) -> range:
        first = self.round.trial
        return range(first, first + (self.round.pool_trials if combines.pools_trials else 1))

    def keep(self, name: str) -> Keep:
        """What a node is asked to keep by a row of the second column."""
        return KEEPS[name].asked(self.round.protocol)

    def holding(self, number: int) -> HoldingShare:
        """The holding that run `number` trains on: the same for all recipes, so that they are paired run by run, and
        balanced over starts.
        """
        starts = len(self.round.pool) + 1
        return self.round.training[(number % starts + number // starts) % len(self.round.training)]

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
        members, wanted, lost, left_out = self._runs(recipe, self._trials(combines))
        least = (self.round.min_runs or wanted) if self.closing else wanted
        if len(members) < max(1, min(least, wanted - lost)):
            return Outcome(recipe.name, None, members, wanted, left_out)
        return Outcome(recipe.name, combines.of(self, self._members(members)), members, wanted, left_out)

    def _members(self, runs: Sequence[Candidate]) -> Sequence[Candidate]:
        """The runs that are combined: all, or those that trained, where the protocol leaves the others out."""
        trained = [run for run in runs if not run.untrained]
        return runs if self.round.protocol.untrained_members or not trained else trained

    def _runs(
        self, recipe: Recipe, trials: Sequence[int]
    ) -> tuple[tuple[Candidate, ...], int, int, tuple[LeftOutRun, ...]]:
        """The runs that are there and admitted, how many the recipe asks for, how many will never be members, and
        those of them that were not admitted.
        """
        members: list[Candidate] = []
        left_out: list[LeftOutRun] = []
        wanted = lost = 0
        for trial in trials:
            for number in range(self.round.protocol.runs):
                before, run = self.missed, self.run(recipe, number, trial)
                wanted += 1
                if run is not None:
                    members.append(run)
                elif (one := self.left_out(recipe, number, trial)) is not None:
                    left_out.append(one)
                    lost += 1
                elif self.missed > before:
                    lost += 1
        return tuple(members), wanted, lost, tuple(left_out)

    def left_out(self, recipe: Recipe, number: int, trial: int) -> LeftOutRun | None:
        """A run that is there and was not admitted; None for any other."""
        run = self.trained(recipe, number, trial)
        if run is None or not self.is_out(run.version):
            return None
        verdict = self.plan.verdicts[run.version]
        label = f"{recipe.name} run {number + 1}" + (f" of trial {trial}" if self.round.pool_trials > 1 else "")
        return LeftOutRun(label, run.version, verdict.state, verdict.reason)
