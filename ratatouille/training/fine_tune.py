"""The one training loop (docs/method.md §2, §3.2 and §3.8): Adam at a constant rate, L2 weight decay, cross-entropy.

The first `warmup` steps train the head only; then a fresh Adam trains everything, BatchNorm's γ and β included, its
statistics never. Validation without augmentation at step 0, every `evaluate_every` steps and at the last. Batches come
from `batches`, and a row of `keeps` decides what is returned. `run_files` has the checkpoint, which lets a killed run
go on, and the records, which the node's owner can watch.

Another thread may save the run at any moment (`Saver`), as it was after its last step: a lock is held while weights
change, and the random state is noted when a step is done. So nobody waits for a step or a validation.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, FineTune
from ratatouille.exchange.receipt import CurvePoint, Evaluation
from ratatouille.tasks.data import LocalData
from ratatouille.training import keeps, numerics
from ratatouille.training.augment import Transform
from ratatouille.training.batches import (
    Batch,
    Batches,
    Sampler,
    class_weights,
    random_state,
    restore_random_state,
    stream,
    stream_seed,
    training_examples,
)
from ratatouille.training.evaluate import CellCounts, Count, forward, judge
from ratatouille.training.network import Network
from ratatouille.training.run_files import CheckpointFile, Records
from ratatouille.training.saver import Saver

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
        self._changing = threading.Lock()
        """Held while weights, optimiser, keep or curve change."""
        self._random: dict[str, Any] | None = None  # after the last step; None before the first, and within one
        self._concluded = True  # whether the last step was evaluated, if it should be, and given to the keep
        self._live: dict[str, Tensor] | None = None  # the trained weights, while the network holds others to be judged

    def run(
        self,
        checkpoint: CheckpointFile | None = None,
        progress: Progress | None = None,
        records: Records | None = None,
        saver: Saver | None = None,
    ) -> Trained:
        """Train to the last step, from the checkpoint if there is one; `saver` can save it meanwhile.

        Raises:
            Refusal: when the loss stops being a number, or a buffer of the network moves.
        """
        cuda = [self.device] if self.device.type == "cuda" else []
        buffers = {name: self.weights[name].clone() for name, _ in self.network.named_buffers() if name in self.weights}
        records = records or Records(None, self.assignment)
        saving = (saver or Saver()).saving(lambda: self._save(checkpoint, records))
        # dropout draws from torch's global generator
        with records, self.batches, torch.random.fork_rng(devices=cuda), saving:
            torch.manual_seed(stream_seed("dropout", self.assignment.seed))
            self._begin(checkpoint.load() if checkpoint else None, records)
            while self.step < self.assignment.steps:
                loss = self._step(records)
                if progress is not None:
                    progress(self.step, self.assignment.steps, loss)
                if checkpoint is not None and checkpoint.due and self.step < self.assignment.steps:
                    self._save(checkpoint, records)
        with self._changing:
            kept = self.keep.result()
        self.network.load_state_dict(dict(kept.weights))
        for name, before in buffers.items():
            if not torch.equal(before, self.weights[name]):
                raise Refusal(f"training moved buffer {name}, which averaging cannot mend; use another architecture")
        evaluations = tuple(counted.evaluation for counted in self._validate())
        return Trained(tuple(self.curve), kept.step, evaluations, self.images, self._seconds)

    def _save(self, checkpoint: CheckpointFile | None, records: Records) -> int | None:
        """Save the run after its last step, in any thread; returns the step, None when there is nothing to save."""
        with self._changing:
            if checkpoint is None or self._random is None:
                return None
            records.sync()
            checkpoint.save(self._state())
            return self.step

    def _begin(self, state: dict[str, Any] | None, records: Records) -> None:
        """Step 0, or the saved state."""
        if state is None:
            records.begin(None, self._seconds)
            self._conclude(records)
        else:
            self._restore(state)
            records.begin(self.step, self._seconds)
            if not self._concluded:
                self._conclude(records, self.losses[-1])
        self.network.train()

    def _step(self, records: Records) -> float:
        """One step, evaluated if it should be; returns the batch's loss."""
        began = time.monotonic()
        batch = self.batches.take(last=self.step + 1 == self.assignment.steps)
        loss = self._update(batch)
        seconds = time.monotonic() - began
        self._conclude(records, loss, len(batch.labels) / seconds)
        return loss

    def _conclude(self, records: Records, loss: float | None = None, images_per_second: float | None = None) -> None:
        """Evaluate if this is a step for it, pass the weights to the keep, and write a line about the step."""
        values = {"loss": loss, "images_per_second": images_per_second}
        values["learning_rate"] = self.assignment.learning_rate if self.step else None
        judgement = self._judgement()
        with self._changing:
            if judgement is None:
                self.keep.observe(self.step, self.weights, None, None)
            else:
                score, point = judgement
                self.curve.append(point)
                self.losses = []
                self.keep.observe(self.step, self.weights, score, point.validation_loss)
                values |= {"validation_loss": point.validation_loss, "score": point.score}
            records.write(self.step, self._seconds, values)
            self._concluded = True
        if judgement is not None:
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
        optimiser = self._optimiser() if self.step == self.assignment.warmup > 0 else self.optimiser
        with numerics.passes(self.assignment.numerics, self.device):
            logits = self._logits(batch.images)
        loss = functional.cross_entropy(logits.float(), batch.labels, weight=self.class_weights)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        with self._changing:
            self._random = None
            self.optimiser = optimiser
            optimiser.step()
            value = loss.item()  # the one place where a step waits for the device
            self._refuse_divergence("loss", value)
            self.step += 1
            self.losses.append(value)
            self._random, self._concluded = random_state(self.batches, self.device), False
        return value

    def _logits(self, images: Tensor) -> Tensor:
        if self.step >= self.assignment.warmup:
            logits: Tensor = self.network(images)
            return logits
        with torch.no_grad():  # no gradients of the featurizer are computed (docs/method.md §6.6)
            features = self.network.featurizer(images)
        warm: Tensor = self.network.head(self.network.dropout(features))
        return warm

    def _judgement(self) -> tuple[Fraction, CurvePoint] | None:
        """The score of this step and its point of the curve; None for a step without evaluation."""
        if self.step % self.assignment.evaluate_every and self.step != self.assignment.steps:
            return None
        score, loss = judge(self._validate_judged(), self.data.task.metric)
        self._refuse_divergence("validation loss", loss)
        mean = math.fsum(self.losses) / len(self.losses) if self.losses else None
        return score, CurvePoint(step=self.step, loss=mean, validation_loss=loss, score=float(score))

    def _refuse_divergence(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            raise Refusal(
                f"the training diverged: its {name} is {value} after {self.step} steps; "
                f"lower the learning rate ({self.assignment.learning_rate:g})",
                code="training-diverged",
            )

    def _validate_judged(self) -> tuple[CellCounts, ...]:
        """Validate the weights that the keep judges, which may be others than the live ones."""
        with self._changing:
            judged = self.keep.judged(self.step, self.weights)
            if judged is not self.weights:
                self._live = {name: tensor.clone() for name, tensor in self.weights.items()}
                self.network.load_state_dict(dict(judged))
        counted = self._validate()
        with self._changing:
            if self._live is not None:
                self.network.load_state_dict(self._live)
                self._live = None
        return counted

    def _validate(self) -> tuple[CellCounts, ...]:
        self.network.eval()
        counted = self.validation.of(lambda chosen: forward(self.network, self.pixels, chosen, self.transform))
        self.network.train()
        return counted

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "concluded": self._concluded,
            "weights": dict(self._live or self.weights),
            "optimiser": self.optimiser.state_dict(),
            **(self._random or {}),
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
        restore_random_state(state, self.batches, self.device)
        self.keep.restore(state["keep"], self.weights)
        self._random, self._concluded = random_state(self.batches, self.device), state["concluded"]
        self.curve = [CurvePoint(**point) for point in state["curve"]]
        self.losses = state["losses"]
        self.began -= state["seconds"]
