"""Do an assignment: from files and data to files and counts. No network, no signature; `answer` adds those.

The workspace is a folder of the node: `results/` (weights by work id and digest), `checkpoints/` (of runs that are not
done), `features/` (a cache) and `runs/` (records of trainings, for people). All of it may be deleted between two
assignments; `clean` removes what one has left, but not its records.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ratatouille.errors import UPGRADE, Refusal
from ratatouille.exchange.assignment import (
    Assignment,
    Cell,
    Compare,
    Evaluate,
    FineTune,
    Import,
    NodeAssignment,
    Probe,
)
from ratatouille.exchange.dialect import METHOD_REVISION, NUMERICS, PROFILES
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.task import Task
from ratatouille.training import numerics, probe
from ratatouille.training.augment import Transform
from ratatouille.training.batches import class_weights, training_examples
from ratatouille.training.compare import compare
from ratatouille.training.evaluate import Count, forward
from ratatouille.training.fine_tune import FineTuning
from ratatouille.training.network import Network, build, refuse_not_finite, save_part
from ratatouille.training.outcome import WorkOutcome
from ratatouille.training.run_files import CheckpointFile, Records
from ratatouille.training.saver import Saver
from ratatouille.weights.architecture import Architecture, Part
from ratatouille.weights.canonical import open_part

Progress = Callable[[int, int, str], None]
"""Called with how much is done, how much there is in all, and what is being done."""


@dataclass(frozen=True)
class WorkContext:
    """The context of one piece of work, once everything is loaded."""

    architecture: Architecture
    data: LocalData
    network: Network
    transform: Transform
    results: Path
    features: Path
    runs: Path
    report: Progress
    checkpoint: CheckpointFile
    computing: tuple[str, ...]
    """What results depend on besides the question and its inputs: device and software."""


def perform(
    assignment: Assignment,
    task: Task,
    architecture: Architecture,
    data: LocalData,
    start: Mapping[str, Path],
    workspace: Path,
    progress: Progress | None = None,
    device: str = "auto",
    checkpoint_seconds: float = 30.0,
    saver: Saver | None = None,
) -> WorkOutcome:
    """Probe, fine-tune, evaluate or compare.

    Args:
        assignment: the question.
        task: its task.
        architecture: its architecture.
        data: the holding that it is bound to.
        start: canonical files of all parts that the assignment names, by digest, and their digests already checked.
        workspace: a folder for results, checkpoints and caches.
        progress: called with how far the work is.
        device: `auto`, `cpu` or `cuda`.
        checkpoint_seconds: time between two checkpoints of a fine-tuning.
        saver: saves a fine-tuning while it is at work, when another thread says so.

    Raises:
        Refusal: what does not fit together here, weights that cannot be used, a training that diverges.
    """
    numerics.apply()
    on = numerics.device(device)
    if isinstance(assignment, Import):
        raise Refusal("an import is not work for a node; push the weights themselves")
    refuse_other_dialect(assignment)
    _refuse_other(assignment, task, architecture, data)
    software, device_name = numerics.describe(on)
    network = _network(assignment, architecture, len(task.classes), start).to(on)
    checkpoint = CheckpointFile(workspace / "checkpoints", assignment.digest, software, checkpoint_seconds)
    transform = Transform(architecture, on)
    results, features, runs = workspace / "results" / assignment.digest, workspace / "features", workspace / "runs"
    computing = (device_name, *(f"{name} {version}" for name, version in sorted(software.items())))
    context = WorkContext(
        architecture, data, network, transform, results, features, runs, progress or _silent, checkpoint, computing
    )
    # decoded once, before the clock starts
    data.images(assignment.image_size, lambda done, total: context.report(done, total, "reading images"))
    began = time.monotonic()
    match assignment:
        case FineTune():
            outcome = _fine_tune(assignment, context, saver)
        case Probe():
            outcome = _probe(assignment, context)
        case Evaluate():
            outcome = _evaluate(assignment, context)
        case Compare():
            outcome = _compare(assignment, context, start)
    seconds = outcome.seconds or time.monotonic() - began
    return replace(outcome, seconds=seconds, software=software, device=device_name)


def clean(workspace: Path, work_id: str) -> None:
    """Remove checkpoint and results of a question whose answer is safe elsewhere, or that will have none."""
    CheckpointFile(workspace / "checkpoints", work_id, {}).remove()
    shutil.rmtree(workspace / "results" / work_id, ignore_errors=True)


def refuse_other_dialect(assignment: NodeAssignment) -> None:
    """Refuse a question about another revision of the method or other numerics: our answer would be another one."""
    profiles = PROFILES.values() if isinstance(assignment, FineTune) else (NUMERICS,)
    if assignment.revision != METHOD_REVISION or assignment.numerics not in profiles:
        raise Refusal(
            f"this work asks for method revision {assignment.revision} and numerics {assignment.numerics!r}; this node "
            f"has revision {METHOD_REVISION} and {' or '.join(map(repr, profiles))}; upgrade the older side: "
            f"{UPGRADE}",
            code="other-release",
            number=assignment.revision,
        )


def _refuse_other(assignment: NodeAssignment, task: Task, architecture: Architecture, data: LocalData) -> None:
    """Refuse what the question is not about."""
    if assignment.task != task.digest or data.task.digest != task.digest:
        raise Refusal(
            f"the work is about another definition of task '{task.name}' than this node's data", code="order-unusable"
        )
    if assignment.architecture != architecture.digest:
        raise Refusal(
            f"the work is about another architecture than the given {architecture.name}", code="order-unusable"
        )
    if assignment.fingerprint != data.holding.fingerprint:
        raise Refusal(
            f"the data of task '{task.name}' here has fingerprint {data.holding.fingerprint[:12]}…, the work is bound "
            f"to {assignment.fingerprint[:12]}…: the data changed, or the work was meant for another node",
            code="data-changed",
        )


def _network(
    assignment: NodeAssignment, architecture: Architecture, classes: int, start: Mapping[str, Path]
) -> Network:
    dropout = assignment.dropout if isinstance(assignment, FineTune) else 0.0
    network = build(architecture, classes, dropout, assignment.image_size)
    if isinstance(assignment, Compare):
        return network
    parts: dict[Part, str] = {"featurizer": assignment.featurizer}
    if not isinstance(assignment, Probe):
        parts["head"] = assignment.head
    for part, digest in parts.items():
        arrays = open_part(start[digest], architecture.part(part, classes))
        refuse_not_finite(arrays, f"the {part} to start from")
        network.load(part, arrays)
    return network


def _fine_tune(assignment: FineTune, context: WorkContext, saver: Saver | None) -> WorkOutcome:
    run = FineTuning(assignment, context.network, context.data, context.transform)
    trained = run.run(
        context.checkpoint,
        lambda step, steps, loss: context.report(
            step, steps, f"{'warm-up' if step <= assignment.warmup else 'training'}, loss {loss:.3f}"
        ),
        Records(context.runs, assignment),
        saver,
    )
    featurizer, featurizer_path = save_part(context.network.dump("featurizer"), context.results)
    head, head_path = save_part(context.network.dump("head"), context.results)
    return WorkOutcome(
        featurizer=featurizer,
        head=head,
        files={featurizer: featurizer_path, head: head_path},
        evaluations=trained.evaluations,
        curve=trained.curve,
        kept_step=trained.kept_step,
        images=trained.images,
        seconds=trained.seconds,
    )


def _probe(assignment: Probe, context: WorkContext) -> WorkOutcome:
    data, trial, network = context.data, assignment.trial, context.network.eval()
    training = training_examples(data, assignment.domains, trial)
    key = (context.architecture.digest, assignment.featurizer, *context.computing)
    features = probe.Features(network.featurizer, data, assignment.image_size, context.transform, context.features, key)
    rows: dict[int, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
    for domain in assignment.domains:
        computed = features.of_domain(domain, lambda done, total: context.report(done, total, "computing features"))
        rows.update(zip(data.examples(domain).tolist(), computed, strict=True))
    chosen = np.concatenate(training)
    context.report(0, 0, "fitting the head")
    head, left = probe.fit(
        np.stack([rows[index] for index in chosen.tolist()]),
        data.labels[chosen],
        probe.shares(data, training, class_weights(data, chosen)),
        len(data.task.classes),
        assignment.l2,
        assignment.iterations,
    )
    digest, path = save_part(head, context.results)
    cells = [Cell(domain=domain, split="validation") for domain in assignment.domains]
    counted = Count(cells, data, trial).of(
        lambda wanted: np.stack([rows[index] for index in wanted.tolist()]) @ head["weight"].T + head["bias"]
    )
    return WorkOutcome(
        featurizer=assignment.featurizer,
        head=digest,
        files={digest: path},
        evaluations=tuple(each.evaluation for each in counted),
        images=len(chosen),
        note=f"largest gradient entry left: {left:.1e}",
    )


def _evaluate(assignment: Evaluate, context: WorkContext) -> WorkOutcome:
    network, pixels = context.network.eval(), context.data.images(assignment.image_size)
    counted = Count(assignment.cells, context.data, assignment.trial).of(
        lambda wanted: forward(
            network, pixels, wanted, context.transform, lambda done, total: context.report(done, total, "evaluating")
        )
    )
    return WorkOutcome(evaluations=tuple(each.evaluation for each in counted))


def _compare(assignment: Compare, context: WorkContext, start: Mapping[str, Path]) -> WorkOutcome:
    comparison = compare(
        assignment,
        context.architecture,
        context.network,
        context.data,
        start,
        context.transform,
        lambda done, total: context.report(done, total, "comparing networks"),
    )
    return WorkOutcome(comparison=comparison)


def _silent(done: int, total: int, doing: str) -> None:
    """Report no progress."""
