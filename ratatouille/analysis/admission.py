"""Admission in the report of a round: which runs were left out and why, whose counts choose, what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from ratatouille.exchange.order import Order
from ratatouille.recipes.admission import NOT_COUNTED
from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.round import Round
from ratatouille.record import Digest, Record
from ratatouille.wording import enumerated

MOST_NAMED = 5
"""Runs that a sentence names."""


class NotAdmitted(Record):
    """A run that is in no average."""

    runs: tuple[str, ...]
    """What the recipes call it."""
    version: Digest
    state: Literal["quarantined", "rejected"]
    reason: str


class Differing(Record):
    """A run whose receipt claims other counts than a node found, by more than chance; both in percent."""

    run: str
    version: Digest
    claimed: float
    counted: float


class AdmissionReport(Record):
    """Admission in one round."""

    admission: Literal["gate", "off"]
    counting: Literal["independent", "own"]
    """Whose counts choose between runs."""
    left_out: tuple[NotAdmitted, ...] = ()
    independent: int = 0
    """Runs that nodes of another member than their maker's counted."""
    self_reported: tuple[str, ...] = ()
    """Runs whose counts are their maker's own."""
    differing: tuple[Differing, ...] = ()
    uncounted: tuple[str, ...] = ()
    """Runs that were admitted without counts, since no node counted them."""
    cost: float | None = None
    """Share of the nodes' seconds that the reviews of runs took; None where there were none."""

    @property
    def sentences(self) -> list[str]:
        """For people."""
        found = [f"Not admitted: {', '.join(one.runs)} ({one.state}): {one.reason}." for one in self.left_out]
        if self.counting == "own":
            found.append("Runs are chosen by their own receipts' counts (self-reported), as this round's settings say.")
        elif self.self_reported and not self.independent:
            found.append(
                "Nothing independent could be counted, since one member holds the data: the counts are self-reported."
            )
        elif self.self_reported:
            named = enumerated(list(self.self_reported), MOST_NAMED)
            found.append(f"Self-reported, since no other member could count them: {named}.")
        elif self.independent:
            found.append("Every run was counted by a member who did not train it.")
        found += [
            f"{one.run} claims {one.claimed:.1f} % and was counted at {one.counted:.1f} %, which is more than chance."
            for one in self.differing
        ]
        if self.uncounted:
            found.append(f"Admitted by their weights alone: {enumerated(list(self.uncounted), MOST_NAMED)}.")
        if self.cost is not None:
            found.append(f"Counting for admission and choice took {100 * self.cost:.1f} % of the nodes' time.")
        return found


def admission_report(
    round: Round, plan: RoundPlan, member: Callable[[str], str], seconds: Mapping[str, float]
) -> AdmissionReport:
    """What a plan says of admission.

    Args:
        round: which.
        plan: where it stands.
        member: the member of a node, by its key.
        seconds: what each answer of a node took, by work id.
    """
    runs: dict[str, tuple[str, Candidate]] = {}
    for outcome in plan.outcomes:
        for run in outcome.members:
            if run.author is not None:
                runs.setdefault(str(run.version), (f"{outcome.recipe} {run.label}", run))
    others = {version for version, (_, run) in runs.items() if _is_independent(run, member)}
    counted = runs if round.counting == "independent" else {}
    differing = [
        Differing(
            run=_name(plan, version, runs),
            version=version,
            claimed=float(claimed),
            counted=float(verdict.evidence["counted"]),
        )
        for version, verdict in plan.verdicts.items()
        if (claimed := verdict.evidence.get("claimed")) is not None
    ]
    return AdmissionReport(
        admission=round.admission,
        counting=round.counting,
        left_out=_left_out(plan),
        independent=len(others & counted.keys()),
        self_reported=tuple(name for version, (name, _) in counted.items() if version not in others),
        differing=tuple(differing),
        uncounted=tuple(
            name
            for version, (name, _) in runs.items()
            if version in plan.verdicts and plan.verdicts[version].reason == NOT_COUNTED
        ),
        cost=_cost(plan, seconds),
    )


def _is_independent(run: Candidate, member: Callable[[str], str]) -> bool:
    maker = member(str(run.author))
    return bool(run.counted_by) and all(member(node) != maker for node in run.counted_by)


def _name(plan: RoundPlan, version: str, runs: Mapping[str, tuple[str, Candidate]]) -> str:
    if version in runs:
        return runs[version][0]
    return next(
        (one.label for outcome in plan.outcomes for one in outcome.left_out if one.version == version), version[:12]
    )


def _left_out(plan: RoundPlan) -> tuple[NotAdmitted, ...]:
    names: dict[str, list[str]] = {}
    for outcome in plan.outcomes:
        for one in outcome.left_out:
            names.setdefault(one.version, []).append(one.label)
    return tuple(
        NotAdmitted.model_validate(
            {"runs": tuple(labels), "version": id, "state": plan.verdicts[id].state, "reason": plan.verdicts[id].reason}
        )
        for id, labels in names.items()
    )


def _cost(plan: RoundPlan, seconds: Mapping[str, float]) -> float | None:
    known = {id: one for id, one in plan.questions.items() if isinstance(one, Order) and id in seconds}
    reviews = [id for id, one in known.items() if one.about]
    total = sum(seconds[id] for id in known)
    return sum(seconds[id] for id in reviews) / total if reviews and total else None
