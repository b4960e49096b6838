"""Candidates of a walk: versions of the target with their counts, means and ensembles that are counted and never made.

Whose counts of a run choose is a value of the round (`Round.counting`). Counts on held-out domains choose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.recipes.gate import Gate, Gates, Network, TargetRun, validation_cells
from ratatouille.recipes.mixtures import mean_of
from ratatouille.recipes.outcome import Candidate, Fact, pooled_accuracy
from ratatouille.recipes.questions import Comparing
from ratatouille.recipes.round import HoldingShare


class Candidates(Gates):
    """A walk's questions about counts."""

    def counted_run(
        self, work_id: str, fact: Fact | None, run: TargetRun, gate: Gate | None, mixed: bool = False
    ) -> Candidate | None:
        """A run, or the mix that was made of it, with its counts, its author, and whether it did not move at all."""
        label, own = f"run {run.number + 1}", self.round.counting == "own"
        if own:
            found = self.candidate(work_id, fact, label, run.trial, None if mixed else run.share)
        else:
            found = self.candidate(work_id, fact, label, None)
        if found is None:
            return None
        untrained = (run.fact.featurizer, run.fact.head) == (run.start.featurizer, run.head.head)
        found = replace(found, trial=run.trial, untrained=untrained, author=run.fact.node, own=run.share)
        if own:
            return found
        if gate is None and self.round.admission == "gate":
            return replace(found, validation=None)
        network = Network(str(found.featurizer), str(found.head), (str(found.version),)) if mixed else None
        counts = self.independent(run, gate, network)
        if counts is None:
            return replace(found, validation=None)
        return replace(found, validation=counts.evaluations, counted_by=counts.nodes)

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

    def gains(self, kept: Sequence[Candidate], member: Candidate) -> bool | None:
        """Whether the mean of the kept runs and another one is at least as accurate as theirs alone; None while that is
        not known.

        Independent counts are by nodes that did not make that one, on data that it was not trained on where others have
        some.
        """
        if self.round.counting == "own":
            known = kept[0].validation if len(kept) == 1 else self.validate_mean(kept)
            with_it = self.validate_mean([*kept, member])
            return None if known is None or with_it is None else _at_least(known, with_it)
        assert member.own is not None
        versions = tuple(str(one.version) for one in (*kept, member))
        networks = (mean_of(kept), mean_of([*kept, member]))
        asked = Comparing(networks, versions, f"validate a mean of {len(kept) + 1}", about=str(member.version))
        sides: list[list[Evaluation]] = [[], []]
        for share in self.counters(member.own):
            found = self.compared(asked, share, validation_cells(share), member.trial)
            if found is None:
                return None
            if not found[0].networks and not self.known.imagined:  # nobody will count it
                return False
            for side, row in zip(sides, found[0].networks, strict=False):
                side += row
        return _at_least(*sides)

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


def _at_least(known: Sequence[Evaluation], with_it: Sequence[Evaluation]) -> bool:
    before, after = pooled_accuracy(known), pooled_accuracy(with_it)
    return before is None or after is None or after >= before  # a forecast, which knows no counts, takes all


def _of_ensemble(comparisons: Sequence[Comparison | None]) -> tuple[Evaluation, ...] | None:
    known = [comparison for comparison in comparisons if comparison is not None]
    if len(known) < len(comparisons):
        return None
    return tuple(evaluation for comparison in known for evaluation in comparison.ensemble)
