"""The one training loop (docs/method.md §2, §3.2 and §3.8): Adam at a constant rate, L2 weight decay, cross-entropy.

The first `warmup` steps train the head only; then a fresh Adam trains everything, BatchNorm's γ and β included, its
statistics never. Validation without augmentation at step 0, every `evaluate_every` steps and at the last. Batches come
from `batches`, and a row of `keeps` decides what is returned. `run_files` has the checkpoint, which lets a killed run
go on, and the records, which the node's owner can watch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, FineTune
from ratatouille.exchange.receipt import CurvePoint, Evaluation
from ratatouille.exchange.statistics import mean_score
from ratatouille.tasks.data import LocalData
from ratatouille.training import keeps, numerics
from ratatouille.training.augment import Transform
from ratatouille.training.batches import Batch, Batches, Sampler, stream, stream_seed
from ratatouille.training.evaluate import CellCounts, Count, forward
from ratatouille.training.network import Network
from ratatouille.training.run_files import CheckpointFile, Records

Progress = Callable[[int, int, float], None]
"""Called with steps done, steps in all and the last training loss."""


@dataclass(frozen=True)
class Trained:
    """The result of a run, beside the kept weights, which the network holds."""

    curve: tuple[CurvePoint, ...]
    kept_step: int
    evaluations: tuple[Evaluation, ...]
    images: int
    seconds: float
    """Time spent on it, in all the processes that worked on it."""


class FineTuning:
    """One run on a network that holds its start weights; `run` carries it out."""

    def __init__(self, assignment: FineTune, network: Network, data: LocalData, transform: Transform) -> None:
        """Prepare a run.

        Raises:
            Refusal: a domain without training images, or no validation image at all.
        """
        self.assignment, self.network, self.data, self.transform = assignment, network, data, transform
        self.device = next(network.parameters()).device
        self.keep = keeps.keep(assignment.keep)
        training = training_examples(data, assignment.domains, assignment.trial)
        self.images = sum(map(len, training))
        cells = [Cell(domain=domain, split="validation") for domain in assignment.domains]
        self.validation = Count(cells, data, assignment.trial)
        if not len(self.validation):
            raise Refusal(
                f"no image of task '{data.task.name}' is left for validation here; add images or groups",
                code="data-too-small",
            )
        weights = class_weights(data, np.concatenate(training))
        self.class_weights = None if weights is None else weights.to(self.device)
        self.weights = network.state_dict()  # live views: the optimiser works in place
        self.pixels = data.images(assignment.image_size)
        self.batches = Batches(
            Sampler(training, assignment.batch, stream("sampler", assignment.seed)),
            stream("augmentation", assignment.seed),
            self.pixels,
            data.labels,
            transform,
            assignment.augmentation,
            self.device,
        )
        self.step = 0
        self.curve: list[CurvePoint] = []
        self.losses: list[float] = []
        self.began = time.monotonic()
        self.optimiser = self._optimiser()

    def run(
        self,
        checkpoint: CheckpointFile | None = None,
        progress: Progress | None = None,
        records: Records | None = None,
    ) -> Trained:
        """Train to the last step, from the checkpoint if there is one.

        Raises:
            Refusal: when the loss stops being a number, or a buffer of the network moves.
        """
        cuda = [self.device] if self.device.type == "cuda" else []
        buffers = {name: self.weights[name].clone() for name, _ in self.network.named_buffers() if name in self.weights}
        records = records or Records(None, self.assignment)
        # dropout draws from torch's global generator
        with records, self.batches, torch.random.fork_rng(devices=cuda):
            torch.manual_seed(stream_seed("dropout", self.assignment.seed))
            self._begin(checkpoint.load() if checkpoint else None, records)
            while self.step < self.assignment.steps:
                loss = self._step(records)
                if progress is not None:
                    progress(self.step, self.assignment.steps, loss)
                if checkpoint is not None and checkpoint.due and self.step < self.assignment.steps:
                    records.sync()
                    checkpoint.save(self._state())
        kept = self.keep.result()
        self.network.load_state_dict(dict(kept.weights))
        for name, before in buffers.items():
            if not torch.equal(before, self.weights[name]):
                raise Refusal(f"training moved buffer {name}, which averaging cannot mend; use another architecture")
        evaluations = tuple(counted.evaluation for counted in self._validate())
        return Trained(tuple(self.curve), kept.step, evaluations, self.images, self._seconds)

    def _begin(self, state: dict[str, Any] | None, records: Records) -> None:
        """Step 0, or the saved state."""
        if state is None:
            records.begin(None, self._seconds)
            self._observe()
            self._record(records)
        else:
            self._restore(state)
            records.begin(self.step, self._seconds)
        self.network.train()

    def _step(self, records: Records) -> float:
        """One step, evaluated if it should be; returns the batch's loss."""
        began = time.monotonic()
        batch = self.batches.take(last=self.step + 1 == self.assignment.steps)
        loss = self._update(batch)
        seconds = time.monotonic() - began
        self._observe()
        self._record(records, loss, len(batch.labels) / seconds)
        return loss

    def _record(self, records: Records, loss: float | None = None, images_per_second: float | None = None) -> None:
        """A line about the step that was just done, with its evaluation if there was one."""
        values = {"loss": loss, "images_per_second": images_per_second}
        values["learning_rate"] = self.assignment.learning_rate if self.step else None
        point = self.curve[-1]
        if point.step == self.step:
            values |= {"validation_loss": point.validation_loss, "score": point.score}
        records.write(self.step, self._seconds, values)
        if point.step == self.step:
            records.sync()

    @property
    def _seconds(self) -> float:
        """Time spent on the run so far, in all the processes that worked on it."""
        return time.monotonic() - self.began

    def _optimiser(self) -> torch.optim.Adam:
        """A fresh Adam over what is trained now: the head during the warm-up, then everything."""
        warm = self.step < self.assignment.warmup
        trained = self.network.head if warm else self.network
        return torch.optim.Adam(
            [parameter for parameter in trained.parameters() if parameter.requires_grad],
            lr=self.assignment.learning_rate,
            weight_decay=self.assignment.weight_decay,  # added to the gradient: L2, not decoupled
            fused=True,
        )

    def _update(self, batch: Batch) -> float:
        """One step of the optimiser; returns the batch's loss."""
        if self.step == self.assignment.warmup > 0:
            self.optimiser = self._optimiser()
        with numerics.passes(self.assignment.numerics, self.device):
            logits = self._logits(batch.images)
        loss = functional.cross_entropy(logits.float(), batch.labels, weight=self.class_weights)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        value = loss.item()  # the one place where a step waits for the device
        if not math.isfinite(value):
            raise Refusal(
                f"the training diverged: its loss is {value} after {self.step} steps; "
                f"lower the learning rate ({self.assignment.learning_rate:g})",
                code="training-diverged",
            )
        self.step += 1
        self.losses.append(value)
        return value

    def _logits(self, images: Tensor) -> Tensor:
        if self.step >= self.assignment.warmup:
            logits: Tensor = self.network(images)
            return logits
        with torch.no_grad():  # no gradients of the featurizer are computed (docs/method.md §6.6)
            features = self.network.featurizer(images)
        warm: Tensor = self.network.head(self.network.dropout(features))
        return warm

    def _observe(self) -> None:
        """Evaluate if this is a step for it, and pass the weights to the keep."""
        assignment = self.assignment
        if self.step % assignment.evaluate_every and self.step != assignment.steps:
            self.keep.observe(self.step, self.weights, None, None)
            return
        counted = [each for each in self._validate_judged() if each.evaluation.count]
        # a domain whose few groups all fell into training has no score and is left out of the mean
        score = mean_score(each.evaluation.exact(self.data.task.metric) for each in counted)
        assert score is not None  # there are validation images, or the run had not begun
        images = sum(each.evaluation.count for each in counted)
        loss = math.fsum(each.loss * each.evaluation.count for each in counted) / images
        if not math.isfinite(loss):
            raise Refusal(
                f"the training diverged: its validation loss is {loss} after {self.step} steps; "
                f"lower the learning rate ({assignment.learning_rate:g})",
                code="training-diverged",
            )
        mean = math.fsum(self.losses) / len(self.losses) if self.losses else None
        self.curve.append(CurvePoint(step=self.step, loss=mean, validation_loss=loss, score=float(score)))
        self.losses = []
        self.keep.observe(self.step, self.weights, score, loss)

    def _validate_judged(self) -> tuple[CellCounts, ...]:
        """Validate the weights that the keep judges, which may be others than the live ones."""
        judged = self.keep.judged(self.step, self.weights)
        if judged is self.weights:
            return self._validate()
        live = {name: tensor.clone() for name, tensor in self.weights.items()}
        self.network.load_state_dict(dict(judged))
        counted = self._validate()
        self.network.load_state_dict(live)
        return counted

    def _validate(self) -> tuple[CellCounts, ...]:
        self.network.eval()
        counted = self.validation.of(lambda chosen: forward(self.network, self.pixels, chosen, self.transform))
        self.network.train()
        return counted

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "weights": dict(self.weights),
            "optimiser": self.optimiser.state_dict(),
            **self.batches.state(),
            "dropout": torch.get_rng_state(),
            "dropout_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "keep": self.keep.state(),
            "curve": [point.model_dump() for point in self.curve],
            "losses": self.losses,
            "seconds": self._seconds,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["weights"])
        # the optimiser of this state is the one of the step before: a fresh one is made at the next update
        self.step = state["step"] - 1
        self.optimiser = self._optimiser()
        self.step = state["step"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.batches.restore(state)
        torch.set_rng_state(state["dropout"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["dropout_cuda"], self.device)
        self.keep.restore(state["keep"])
        self.curve = [CurvePoint(**point) for point in state["curve"]]
        self.losses = state["losses"]
        self.began -= state["seconds"]


def training_examples(data: LocalData, domains: tuple[str, ...], trial: int) -> list[NDArray[np.int64]]:
    """The training split of each domain.

    Raises:
        Refusal: for a domain without training images.
    """
    training = [data.examples(domain, "train", trial) for domain in domains]
    for domain, chosen in zip(domains, training, strict=True):
        if not len(chosen):
            raise Refusal(
                f"there is no training image of domain '{domain}' of task '{data.task.name}' here",
                code="data-too-small",
                domain=data.task.domains.index(domain),
            )
    return training


def class_weights(data: LocalData, training: NDArray[np.int64]) -> Tensor | None:
    """Float32 [classes] for a task with balanced class weights: N / (K · n) for a class with n of N images, K classes
    present; None for other tasks.
    """
    if data.task.class_weights != "balanced":
        return None
    counts = np.bincount(data.labels[training], minlength=len(data.task.classes))
    weights = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return torch.from_numpy(weights.astype(np.float32))
