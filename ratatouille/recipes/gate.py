"""The gate of a walk: it asks what admission needs of the runs of a trial, once every run is there, and has verdicts.

First the registry inspects the weights of all runs together. Those that pass are the parents of a reference, their
coordinate-wise median, so that no single run moves it. Then nodes count each run beside its start, the reference and
networks on the lines between. `admission` reads the answers. The counts of the run itself are those that choose
between runs: they are asked of nodes whose member did not make it (`Compare.about`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratatouille.exchange.assignment import Cell, Mixture
from ratatouille.exchange.inspection import Inspected, Inspection
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.exchange.version import Parent
from ratatouille.recipes.admission import (
    MOST_INSPECTED,
    REFERENCE_LINE,
    REFERENCED,
    START_LINE,
    Moved,
    Verdict,
    cheap_verdicts,
    claim_of,
    counted_verdict,
    median_share,
)
from ratatouille.recipes.mixtures import mix
from ratatouille.recipes.outcome import Fact
from ratatouille.recipes.questions import Comparing, Questions
from ratatouille.recipes.round import HoldingShare, Start


@dataclass(frozen=True)
class Network:
    """Both parts of a network, with the versions that they are of."""

    featurizer: str
    head: str
    versions: tuple[str, ...]


@dataclass(frozen=True)
class TargetRun:
    """A target run that is there, and where it began."""

    work_id: str
    fact: Fact
    network: Network
    name: str
    """How people call it: by the first recipe that asked for it, and its number."""
    number: int
    trial: int
    share: HoldingShare
    start: Start
    head: Network
    """The start's featurizer with the shared head."""
    learning_rate: float
    training: str

    @property
    def version(self) -> str:
        """Its id."""
        return self.network.versions[0]


@dataclass(frozen=True)
class Counts:
    """Counts of a run on validation images, which choose between runs."""

    evaluations: tuple[Evaluation, ...]
    nodes: tuple[str, ...]
    """The nodes that counted."""
    claimed: bool = False
    """Whether they are the receipt's own, since no other counts are to be had."""


@dataclass(frozen=True)
class Gate:
    """What is known of one trial's runs."""

    cheap: Mapping[str, Verdict]
    """Verdicts of those that the checks of weights stop."""
    reference: Network | None
    """Of those that passed; None below three."""
    waits: bool
    """Whether the registry still makes the reference."""


class Gates(Questions):
    """A walk's questions about admission."""

    def gate(self, runs: Sequence[TargetRun]) -> Gate | None:
        """Inspect the runs of a trial and make their reference; None while the registry inspects them."""
        self.plan.reviewed |= {run.version for run in runs}
        cheap: dict[str, Verdict] = {}
        ordered = sorted(runs, key=lambda run: run.version)
        for first in range(0, len(ordered), MOST_INSPECTED):
            some = ordered[first : first + MOST_INSPECTED]
            inspected = self.inspect(_inspection(some, self.round.foundation.version))
            if inspected is not None:
                cheap |= cheap_verdicts(inspected, [self._moved(run) for run in some])
            elif not self.known.imagined:
                return None
        passed = [run.version for run in ordered if run.version not in cheap]
        if len(passed) < REFERENCED:
            return Gate(cheap, None, waits=False)
        parameters = {"share": median_share(len(passed))}
        parents = [Parent(version=version) for version in passed]
        _, fact = self.combine(parents, "reference", method="trimmed_mean", parameters=parameters)
        if fact is None or fact.version is None or fact.featurizer is None or fact.head is None:
            return Gate(cheap, None, waits=True)
        return Gate(cheap, Network(fact.featurizer, fact.head, (fact.version,)), waits=False)

    def verdict(self, run: TargetRun, gate: Gate) -> Verdict | None:
        """The verdict on a run; None while counts are missing. A maintainer's decision goes before the gate's."""
        decided = self.known.decisions.get(run.version)
        if decided is not None:
            return decided
        if run.version in gate.cheap:
            return gate.cheap[run.version]
        if gate.waits:
            return None
        counted = [self._counted(run, share, gate) for share in self.counters(run.share)]
        if any(one is None for one in counted):
            return None
        known = [one for one in counted if one is not None]
        found = counted_verdict([one for one, _ in known], gate.reference is not None)
        claim = claim_of(run.fact.evaluations, [cell for one, _ in known for cell in _first(one)])
        return Verdict(found.state, found.reason, {**found.evidence, **claim.evidence}) if claim.differs else found

    def independent(self, run: TargetRun, gate: Gate | None, mixed: Network | None = None) -> Counts | None:
        """Counts of a run, or of what is mixed of it, by nodes of others where there are any; None while missing."""
        evaluations: list[Evaluation] = []
        nodes: list[str] = []
        for share in self.counters(run.share):
            if gate is None or mixed is not None:
                found = self._alone(run, share, mixed or run.network)
            elif gate.waits or (run.version in gate.cheap and run.version not in self.known.decisions):
                return None
            else:
                found = self._counted(run, share, gate)
            if found is None:
                return None
            evaluations += _first(found[0])
            nodes += [found[1]] if found[1] else []
        if nodes or self.known.imagined or mixed is not None:
            return Counts(tuple(evaluations), tuple(nodes))
        return Counts(run.fact.evaluations, (), claimed=True)

    def counters(self, own: HoldingShare) -> tuple[HoldingShare, ...]:
        """The holdings on which a run is counted: those that it was not trained on, or its own if that is the only."""
        return tuple(share for share in self.round.training if share != own) or (own,)

    def _counted(self, run: TargetRun, share: HoldingShare, gate: Gate) -> tuple[Comparison, str | None] | None:
        ends = [run.network, run.head]
        networks = [mix([one], [1]) for one in ends]
        networks += [mix(ends, [1 - at, at]) for at in START_LINE]
        if gate.reference is not None:
            networks.append(mix([gate.reference], [1]))
            networks += [mix([run.network, gate.reference], [1 - at, at]) for at in REFERENCE_LINE]
            ends.append(gate.reference)
        versions = tuple(dict.fromkeys(version for end in ends for version in end.versions))
        return self._about_run(run, share, tuple(networks), versions, pairs=True)

    def _alone(self, run: TargetRun, share: HoldingShare, network: Network) -> tuple[Comparison, str | None] | None:
        versions = tuple(dict.fromkeys((*network.versions, run.version)))
        return self._about_run(run, share, (mix([network], [1]),), versions, pairs=False)

    def _about_run(
        self, run: TargetRun, share: HoldingShare, networks: tuple[Mixture, ...], versions: tuple[str, ...], pairs: bool
    ) -> tuple[Comparison, str | None] | None:
        """What a node counts about a run, and its key; no network where it will not be counted, None while open."""
        asked = Comparing(networks, versions, f"review {run.name}", pairs=pairs, about=run.version)
        return self.compared(asked, share, validation_cells(share), run.trial)

    def _moved(self, run: TargetRun) -> Moved:
        return Moved(
            version=run.version,
            start=run.start.version,
            head_start=run.head.versions[-1],
            learning_rate=run.learning_rate,
            steps=self.round.protocol.steps,
            training=run.training,
            created=run.fact.created,
            kept_start=run.fact.kept_step == 0,
        )

    def inspect(self, inspection: Inspection) -> Inspected | None:
        """The registry's answer, or None after noting that it is open."""
        work_id = inspection.work_id
        found = self.known.inspected.get(work_id)
        if found is None and not self.known.imagined:
            self.plan.inspections[work_id] = inspection
        return found


def _inspection(runs: Sequence[TargetRun], origin: str) -> Inspection:
    starts = {version for run in runs for version in (run.start.version, run.head.versions[-1])}
    return Inspection(
        versions=tuple(sorted({run.version for run in runs})), starts=tuple(sorted(starts)), origin=origin
    )


def _first(comparison: Comparison) -> tuple[Evaluation, ...]:
    return comparison.networks[0] if comparison.networks else ()


def validation_cells(share: HoldingShare) -> tuple[Cell, ...]:
    """The validation split of each domain of a holding."""
    return tuple(Cell(domain=domain, split="validation") for domain in share.domains)
