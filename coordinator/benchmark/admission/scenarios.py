"""Scenarios: N members of which some attack, the checks of admission on them, and the averages that result.

Members are drawn from the honest contributions of finished rounds. One draw is one order of them: N members are its
first N, and attackers are the first of these, so that scenarios of one draw are paired. The verdicts are those of
`ratatouille.recipes.admission`, from the same numbers that a round has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coordinator.benchmark.admission.aggregators import aggregates, squares_of
from coordinator.benchmark.admission.attacks import ATTACKS
from coordinator.benchmark.admission.contributions import Attacker, SubmittedRun, situation
from coordinator.benchmark.admission.figures import ScenarioResult
from coordinator.benchmark.admission.networks import ImageSet, Network, Predictions
from coordinator.benchmark.admission.weights import Files as PartFiles
from ratatouille.exchange.inspection import Gram, Inspected
from ratatouille.exchange.version import Combination, Parent
from ratatouille.recipes.admission import (
    REFERENCE_LINE,
    REFERENCED,
    START_LINE,
    Moved,
    Verdict,
    cheap_verdicts,
    counted_verdict,
    median_share,
)
from ratatouille.record import sha256
from registry.services.registry import Registry


@dataclass(frozen=True)
class Scenario:
    """So many members of one draw, so many of them attackers."""

    attack: str | None
    members: int
    attackers: int
    draw: int = 0


def drawn(pool: Sequence[SubmittedRun], scenario: Scenario) -> list[SubmittedRun]:
    """The members of a scenario, attackers first, all of them still honest."""
    order = np.random.default_rng(scenario.draw).permutation(len(pool))
    return [pool[place] for place in order[: scenario.members]]


def attacked(
    scenario: Scenario,
    pool: Sequence[SubmittedRun],
    attacker: Attacker,
    trained: Mapping[tuple[str, str], PartFiles],
) -> list[SubmittedRun]:
    """The members with the attackers' pushes in their places.

    Args:
        scenario: who attacks.
        pool: honest contributions.
        attacker: pushes.
        trained: weights of trained attacks, by attack and the version that they replace.
    """
    members = drawn(pool, scenario)
    if scenario.attack is None:
        return members
    attack = ATTACKS[scenario.attack]
    victims, peers = members[: scenario.attackers], members[scenario.attackers :]
    pushed = []
    for own in victims:
        others = [one for one in pool if one.assignment.featurizer != own.assignment.featurizer and one not in members]
        others += [one for one in pool if one.assignment.featurizer != own.assignment.featurizer]
        about = [attack.name, own.version, *([one.version for one in peers] if attack.uses_peers else [])]
        seed = int(sha256("".join(about).encode())[:7], 16)
        given = situation(attacker.files, own, peers if attack.uses_peers else (), others[0] if others else None, seed)
        if attack.trained:
            made = {attack.name: attacker.files.layout.read(trained[attack.name, own.version])}
            given = replace(given, trained=made)
        pushed.append(attacker.push(attack, given, own))
    return pushed + peers


def part_of(gram: Gram, ids: Sequence[str]) -> Gram:
    """The rows of some versions, as an inspection of these alone has them."""
    kept = tuple(sorted(set(ids) & set(gram.ids)))
    rows = tuple(tuple(gram.product(kept[i], kept[j]) for j in range(i + 1)) for i in range(len(kept)))
    return Gram(ids=kept, elements=gram.elements, products=rows)


def moved(one: SubmittedRun) -> Moved:
    """A contribution as the cheap checks see it."""
    return Moved(
        version=one.version,
        start=one.parents[0],
        head_start=one.parents[-1],
        learning_rate=one.assignment.learning_rate,
        steps=one.assignment.steps,
        training=one.training,
        created=one.created,
        kept_start=one.kept_step == 0,
    )


CHECKS = (("update", "unmoved"), ("copy_of", "copy"))
"""What a verdict's evidence has after which cheap check."""


def check_of(verdict: Verdict) -> str:
    """Which check a verdict comes from, in a word or two."""
    if verdict.admitted:
        return ""
    if verdict.state == "rejected":
        return "norm"
    for key, name in CHECKS:
        if key in verdict.evidence:
            return name
    if verdict.reason.startswith("it recognises"):
        return "worse than its start"
    return "line to the start" if "its start recognises" in verdict.reason else "line to the reference"


@dataclass(frozen=True)
class Judge:
    """The checks of admission, as a round makes them."""

    registry: Registry
    predict: Predictions
    inspected: Inspected
    """Of all contributions of all scenarios."""
    validation: ImageSet
    classes: int

    def verdicts(self, members: Sequence[SubmittedRun]) -> dict[str, Verdict]:
        """The verdict on each member that the registry took."""
        there = {one.version: one for one in members if not one.refused}
        ids = [*there, *(parent for one in there.values() for parent in one.parents)]
        head = self.inspected.head
        inspected = Inspected(
            featurizer=part_of(self.inspected.featurizer, ids), head=None if head is None else part_of(head, ids)
        )
        found = cheap_verdicts(inspected, [moved(one) for one in there.values()])
        passed = [one for version, one in sorted(there.items()) if version not in found]
        reference = self.reference(passed)
        asked = {one.version: self.networks(one, reference) for one in passed}
        self.predict.ask([(network, self.validation) for networks in asked.values() for network in networks])
        images = self.predict.images(self.validation, self.classes)
        for version, networks in asked.items():
            comparison = images.comparison([self.predict(network, self.validation) for network in networks])
            found[version] = counted_verdict([comparison], reference is not None)
        return found

    def reference(self, passed: Sequence[SubmittedRun]) -> Network | None:
        """The median of those that passed the cheap checks, made by the registry."""
        if len(passed) < REFERENCED:
            return None
        combination = Combination(
            parents=tuple(Parent(version=one.version) for one in passed),
            purpose="reference",
            method="trimmed_mean",
            parameters={"share": median_share(len(passed))},
        )
        made = self.registry.work.combine(combination, None, "reference of the attack benchmark")
        return Network(((str(made.featurizer), str(made.head), 1),))

    def networks(self, one: SubmittedRun, reference: Network | None) -> list[Network]:
        """The networks of a comparison about a run, in the gate's order."""
        run, start = alone(one), Network(((one.assignment.featurizer, one.assignment.head, 1),))
        found = [run, start, *(Network.between(run, start, at) for at in START_LINE)]
        if reference is not None:
            found += [reference, *(Network.between(run, reference, at) for at in REFERENCE_LINE)]
        return found


def alone(one: SubmittedRun) -> Network:
    """A contribution by itself."""
    return Network(((one.featurizer, one.head, 1),))


def mean(members: Sequence[SubmittedRun]) -> Network:
    """The uniform mean of members."""
    return Network(tuple((one.featurizer, one.head, 1) for one in members))


def combined(
    members: Sequence[SubmittedRun], verdicts: Mapping[str, Verdict], inspected: Inspected, attackers: int
) -> dict[str, Network | None]:
    """Every way to combine the members of a scenario; None where nothing is left to combine.

    Robust averages are told how many of them attack. Those that the registry refused are in none of them.
    """
    there = [one for one in members if not one.refused]
    honest = [one for one in there if one.attack is None]
    admitted = [one for one in there if verdicts[one.version].admitted]
    parts = [inspected.featurizer, *([inspected.head] if inspected.head else [])]
    apart = [[math.hypot(*(g.distance(a.version, b.version) for g in parts)) for b in there] for a in there]
    found: dict[str, Network | None] = {"honest": mean(honest) if honest else None}
    expected = min(attackers, len(there) - len(honest))
    for name, how in aggregates(squares_of(apart), expected).items():
        terms = tuple((there[place].featurizer, there[place].head, 1) for place in how.places)
        found[name] = Network(terms, how.method, how.share)
    found["gate"] = mean(admitted) if admitted else None
    return found


def judged(
    scenario: Scenario, members: Sequence[SubmittedRun], judge: Judge, held_out: ImageSet, nothing: float
) -> ScenarioResult:
    """The result of a scenario; `nothing` is the accuracy where no member was admitted: that of the start."""
    verdicts = judge.verdicts(members)
    bad = [one for one in members if one.attack is not None]
    checks: dict[str, int] = {}
    reason = ""
    for one in bad:
        check = "push" if one.refused else check_of(verdicts[one.version])
        if check:
            checks[check] = checks.get(check, 0) + 1
            reason = reason or one.refused or verdicts[one.version].reason
    refused_by: dict[str, int] = {}
    for one in members:
        if one.attack is None and not verdicts[one.version].admitted:
            check = check_of(verdicts[one.version])
            refused_by[check] = refused_by.get(check, 0) + 1
    networks = combined(members, verdicts, judge.inspected, scenario.attackers)
    judge.predict.ask([(network, held_out) for network in networks.values() if network is not None])
    images = judge.predict.images(held_out, judge.classes)
    return ScenarioResult(
        attack=scenario.attack,
        members=scenario.members,
        attackers=scenario.attackers,
        draw=scenario.draw,
        stopped=sum(checks.values()),
        checks=checks,
        refused=sum(refused_by.values()),
        refused_by=refused_by,
        reason=reason,
        held_out={
            name: nothing if network is None else images.accuracy(judge.predict(network, held_out))
            for name, network in networks.items()
        },
    )
