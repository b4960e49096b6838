"""Running the attack benchmark: rounds to their ends, attacks on their contributions, verdicts, averages, results.

Called again it goes on: trainings, pushes and predictions are kept in the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from coordinator.benchmark.admission.attacks import ATTACKS
from coordinator.benchmark.admission.contributions import Attacker, Files, SubmittedRun, honest
from coordinator.benchmark.admission.figures import AdmissionFigures, BackdoorRow, Refusals, ScenarioResult
from coordinator.benchmark.admission.geometry import inspected
from coordinator.benchmark.admission.networks import ImageSet, Network, Place, Predictions, predicting
from coordinator.benchmark.admission.scenarios import Judge, Scenario, alone, attacked, drawn, judged, mean
from coordinator.benchmark.admission.sizes import PROTOCOL, Size, scenarios
from coordinator.benchmark.admission.weights import Files as PartFiles
from coordinator.benchmark.admission.weights import Layout
from coordinator.benchmark.running import PreparedSuite, driver_of, prepare
from coordinator.benchmark.suite import Wishes
from coordinator.benchmark.suites import emoji_suite
from ratatouille.errors import Refusal
from ratatouille.exchange.inspection import Inspected, Inspection
from ratatouille.exchange.signing import Signer
from ratatouille.folders import write_whole
from ratatouille.recipes.admission import BAND, COPY, REFERENCE_LINE, SLACK, START_LINE, SURE, TOLERANCE
from ratatouille.record import canonical_json, sha256
from ratatouille.wording import number_of
from registry.opening import open_registry
from registry.services.registry import Registry

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much there is."""


def rounds_to_attack(folder: Path, size: Size, wishes: Wishes, node_modules: Path | None) -> PreparedSuite:
    """The rounds on emoji whose contributions are attacked; they may be finished already in this folder.

    Args:
        folder: the benchmark's.
        size: how much is run.
        wishes: values that replace the size's.
        node_modules: as `emoji_suite` takes it.

    Raises:
        Refusal: as `prepare` does.
    """
    protocol = PROTOCOL | {"runs": size.runs} | wishes.protocol
    chosen = Wishes(wishes.trials or size.trials, wishes.recipes or ("soup", "ratatouille"), protocol)
    return prepare(emoji_suite(folder, chosen, node_modules), folder)


@dataclass(frozen=True)
class Bench:
    """The finished rounds of a benchmark, ready to be attacked."""

    registry: Registry
    pool: tuple[SubmittedRun, ...]
    """Honest contributions of the first trial, from all settings: they share a head, so they may be averaged."""
    rounds: tuple[tuple[str, tuple[SubmittedRun, ...]], ...]
    """The honest contributions of each round, with its setting."""
    attacker: Attacker
    predict: Predictions
    held_out: ImageSet
    validation: Mapping[int, ImageSet]
    classes: int

    def judge(self, found: Inspected, trial: int) -> Judge:
        """The checks, on the validation images of a trial."""
        return Judge(self.registry, self.predict, found, self.validation[trial], self.classes)


@contextmanager
def opened(prepared: PreparedSuite, workers: int) -> Iterator[Bench]:
    """Open the finished rounds of a benchmark's folder."""
    registry = open_registry(prepared.site.url)
    rounds = []
    for planned in prepared.suite.rounds:
        driver = driver_of(planned, registry)
        rounds.append((planned, driver, honest(driver, registry, planned.setting, planned.trial)))
    _, driver, _ = rounds[0]
    target = registry.definitions.task(driver.round.target)
    share = driver.round.training[0]
    layout = Layout(registry.definitions.architecture(driver.round.architecture), len(target.classes))
    files = Files(registry, layout)
    place = Place(
        prepared.site, target.name, share.fingerprint, driver.round.architecture, driver.round.protocol.image_size
    )
    folder = prepared.folder / "admission"
    signer = Signer.open(prepared.site.folder / prepared.suite.nodes[0].name / "key")
    held_out = ImageSet(tuple((domain, "all") for domain in driver.round.held_out), 0)
    validation = {
        planned.trial: ImageSet(tuple((domain, "validation") for domain in share.domains), planned.trial)
        for planned, _, _ in rounds
    }
    first = [one for planned, _, found in rounds if planned.trial == 0 for one in found]
    pool = {one.version: one for one in first if one.kept_step}
    with predicting(place, folder / "predictions", workers) as predict:
        yield Bench(
            registry,
            tuple(pool.values()),
            tuple((planned.setting, tuple(found)) for planned, _, found in rounds),
            Attacker(files, signer, folder),
            predict,
            held_out,
            validation,
            len(target.classes),
        )


def trained_attacks(
    bench: Bench, wanted: Sequence[Scenario], folder: Path, progress: Progress
) -> dict[tuple[str, str], PartFiles]:
    """Train what the scenarios' attackers train: each attack once in place of each contribution."""
    victims: dict[tuple[str, str], SubmittedRun] = {}
    for scenario in wanted:
        if scenario.attack is not None and ATTACKS[scenario.attack].trained:
            for own in drawn(bench.pool, scenario)[: scenario.attackers]:
                victims[scenario.attack, own.version] = own
    found: dict[tuple[str, str], PartFiles] = {}
    for name, some in groupby(sorted(victims), key=lambda one: one[0]):
        keys = list(some)
        works = [victims[key].assignment for key in keys]
        made = bench.predict.train(name, works, folder, partial(progress, name))
        found |= dict(zip(keys, made, strict=True))
    return found


LEAST = 5
"""Members of the smallest scenario."""
AT_ONCE = 8
"""Scenarios whose contributions are inspected together."""


def inspect(registry: Registry, contributions: Sequence[SubmittedRun]) -> Inspected:
    """The registry's inspection of some contributions."""
    there = [one for one in contributions if not one.refused]
    origin = registry.versions.show("foundation").entry.version.id
    question = Inspection(
        versions=tuple(sorted({one.version for one in there})),
        starts=tuple(sorted({parent for one in there for parent in one.parents})),
        origin=origin,
    )
    return registry.review.inspect(question)


def measure(bench: Bench, size: Size, folder: Path, progress: Progress) -> AdmissionFigures:
    """Attack, judge, average and count.

    Raises:
        Refusal: when fewer contributions were trained than the checks need.
    """
    if len(bench.pool) < LEAST:
        raise Refusal(
            f"{number_of(len(bench.pool), 'contribution')} moved away from the start, and {LEAST} are needed; give "
            "more --runs or --steps"
        )
    wanted = scenarios(size, len(bench.pool))
    trained = trained_attacks(bench, wanted, folder, progress)
    start = bench.pool[0].assignment
    foundation = bench.registry.versions.show("foundation").entry.version.featurizer
    beginning = Network(((foundation, start.head, 1),))
    images = bench.predict.images(bench.held_out, bench.classes)
    nothing = images.accuracy(bench.predict(beginning, bench.held_out))
    results: list[ScenarioResult] = []
    for first in range(0, len(wanted), AT_ONCE):
        some = wanted[first : first + AT_ONCE]
        known = {scenario: _known(bench, scenario, folder) for scenario in some}
        groups = {one: attacked(one, bench.pool, bench.attacker, trained) for one in some if known[one] is None}
        if groups:
            everybody = {one.version: one for members in groups.values() for one in members}
            judge = bench.judge(inspected(bench.attacker.files, list(everybody.values())), 0)
        for scenario in some:
            found = known[scenario]
            if found is None:
                found = judged(scenario, groups[scenario], judge, bench.held_out, nothing)
                write_whole(_place(bench, scenario, folder), [found.to_json()])
            results.append(found)
            progress("scenarios", len(results), len(wanted))
    backdoor, admitted = backdoors(bench, size, trained)
    return AdmissionFigures(
        size=size.name,
        contributions=len(bench.pool),
        images={
            "validation": len(bench.predict.images(bench.validation[0], bench.classes).labels),
            "held out": len(images.labels),
        },
        start=nothing,
        results=tuple(results),
        honest=tuple(refusals(bench, progress)),
        backdoor=tuple(backdoor),
        backdoor_admitted=admitted,
    )


def _place(bench: Bench, scenario: Scenario, folder: Path) -> Path:
    """Where a scenario's result is kept: its name follows from all that it depends on."""
    limits = [SLACK, BAND, COPY, TOLERANCE, SURE, list(START_LINE), list(REFERENCE_LINE)]
    versions = [one.version for one in drawn(bench.pool, scenario)]
    about = [scenario.attack, scenario.attackers, versions, limits]
    return folder / "results" / f"{sha256(canonical_json(about))}.json"


def _known(bench: Bench, scenario: Scenario, folder: Path) -> ScenarioResult | None:
    place = _place(bench, scenario, folder)
    return ScenarioResult.from_json(place.read_bytes()) if place.exists() else None


def refusals(bench: Bench, progress: Progress) -> Iterator[Refusals]:
    """The honest contributions of each setting, judged in the rounds as they were run."""
    found: dict[str, list[tuple[int, list[str]]]] = {}
    for done, (setting, members) in enumerate(bench.rounds, 1):
        there = {one.version: one for one in members}
        found_weights = inspect(bench.registry, list(there.values()))
        verdicts = bench.judge(found_weights, members[0].trial).verdicts(list(there.values()))
        reasons = [verdict.reason for verdict in verdicts.values() if not verdict.admitted]
        found.setdefault(setting, []).append((len(there), reasons))
        progress("honest rounds", done, len(bench.rounds))
    for setting, rows in found.items():
        reasons = [reason for _, some in rows for reason in some]
        yield Refusals(
            setting=setting,
            contributions=sum(count for count, _ in rows),
            refused=len(reasons),
            reasons=tuple(reasons[:5]),
        )


def backdoors(bench: Bench, size: Size, trained: Mapping[tuple[str, str], PartFiles]) -> tuple[list[BackdoorRow], bool]:
    """The patch's success: of a backdoored member alone, in averages, and in the same averages without it."""
    scenario = Scenario("backdoor", min(size.alone, len(bench.pool)), 1)
    members = attacked(scenario, bench.pool, bench.attacker, trained)
    bad, own = members[0], drawn(bench.pool, Scenario(None, len(bench.pool), 0))
    stamped = ImageSet(bench.held_out.cells, 0, stamped=True)
    rows = []
    for count in (1, *(count for count in size.backdoor if count <= len(own))):
        clean = own[:count]
        for backdoored in (1, 0):
            some = [bad, *clean[1:]] if backdoored else clean
            network = alone(some[0]) if count == 1 else mean(some)
            bench.predict.ask([(network, stamped), (network, bench.held_out)])
            images = bench.predict.images(bench.held_out, bench.classes)
            rows.append(
                BackdoorRow(
                    members=count,
                    backdoors=backdoored,
                    success=images.taken_for_target(bench.predict(network, stamped)),
                    held_out=images.accuracy(bench.predict(network, bench.held_out)),
                )
            )
    judge = bench.judge(inspect(bench.registry, members), 0)
    return rows, not bad.refused and judge.verdicts(members)[bad.version].admitted
