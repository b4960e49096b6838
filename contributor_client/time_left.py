"""The time until a node leaves, and the refusal of work that would have no checkpoint and no end by then.

The speed of this device comes from its trial at the node's start. It is kept in the node's folder, since a restarted
worker makes no trial. Work whose speed is not known is accepted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Evaluate, FineTune, NodeAssignment
from ratatouille.folders import write_whole
from ratatouille.record import Digest, Record
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.time_limit import MARGIN_SECONDS, TimeLimit, limit_seconds
from ratatouille.training.preflight import Timed, Trial

SPEED = "pace.json"
"""The file with the speed, in the folder of a worker."""


class _NetworkSpeed(Record):
    """The speed of one network at one size of images."""

    architecture: Digest
    image_size: int
    seconds_per_image: float
    seconds_per_trained_image: float | None


class DeviceSpeed(Record):
    """The speed of a device, as its trial measured it."""

    measured: tuple[_NetworkSpeed, ...] = ()

    @classmethod
    def of(cls, trial: Trial, answer: Mapping[str, Any]) -> DeviceSpeed:
        """The speed that follows from a trial and its answer; no speed where it was refused."""
        timed = [Timed.model_validate(one) for one in answer.get("timed", ())]
        return cls(
            measured=tuple(
                _NetworkSpeed(
                    architecture=one.architecture.digest,
                    image_size=one.image_size,
                    seconds_per_image=took.seconds_per_image,
                    seconds_per_trained_image=took.seconds_per_step and took.seconds_per_step / one.batch,
                )
                for one, took in zip(trial.work, timed, strict=False)
            )
        )

    @classmethod
    def read(cls, file: Path) -> DeviceSpeed:
        """The speed in a file; no speed where there is none."""
        with suppress(OSError, Refusal):
            return cls.from_json(file.read_bytes())
        return cls()

    def write(self, file: Path) -> None:
        """Keep it."""
        write_whole(file, [self.to_json()], private=True)

    def seconds(self, assignment: NodeAssignment, holding: Holding) -> float | None:
        """How long work takes to its first checkpoint, or to its end where it has none; None where that is not known.

        A training may be saved after any step. Counts and probes have no checkpoint; what a probe has computed before
        is not known here.
        """
        for network in self.measured:
            if (network.architecture, network.image_size) != (assignment.architecture, assignment.image_size):
                continue
            if not isinstance(assignment, FineTune):
                networks = len(assignment.networks) if isinstance(assignment, Compare) else 1
                return networks * _images(assignment, holding) * network.seconds_per_image
            if network.seconds_per_trained_image is not None:
                return assignment.batch * max(1, len(assignment.domains)) * network.seconds_per_trained_image
        return None


def _images(assignment: NodeAssignment, holding: Holding) -> int:
    """How many images the work looks at, as the split of trial 0 has them."""
    if isinstance(assignment, Evaluate | Compare):
        cells = {(one.domain, None if one.split == "all" else one.split) for one in assignment.cells}
        return sum(holding.total(domain, split) for domain, split in cells)
    return holding.total()


def refuse_beyond_time(
    leave_at: float | None, speed: DeviceSpeed, assignment: NodeAssignment, holding: Holding, now: float | None = None
) -> None:
    """Refuse work that would be lost, since the node leaves before its first checkpoint or end.

    Raises:
        Refusal: with code `time-short`, which passes: another time, or another node, may do it.
    """
    if leave_at is None or (needed := speed.seconds(assignment, holding)) is None:
        return
    left = leave_at - (time.time() if now is None else now)
    if needed > left:
        raise Refusal(
            f"this needs about {needed:.0f} s to a first checkpoint or its end, and the node leaves in "
            f"{max(0.0, left):.0f} s (`time_limit`)",
            code="time-short",
        )


def end_of(limit: str | None, began: float) -> float | None:
    """When a node that began then leaves, in seconds since 1970; None without a limit.

    Raises:
        Refusal: for a text that is no limit.
    """
    if limit is None:
        return None
    try:
        return began + limit_seconds(TypeAdapter(TimeLimit).validate_python(limit)) - MARGIN_SECONDS
    except ValidationError as error:
        raise Refusal(f"--time-limit: {error.errors()[0]['msg']}") from None
