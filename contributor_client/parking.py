"""Parked work: what a node does no work with for a while (all of it, or one holding), as small files with the reason.

The worker and the executor write them. The process that renews the offer reads them, says the sentence in the node's
terminal, and puts the code into the offer. A node that is started again begins with nothing parked. A sentence may name
files of the owner, so only the owner can read it, and it never leaves the machine.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ratatouille.errors import RatatouilleError
from ratatouille.exchange.membership import Parked
from ratatouille.failure import Failure, failure_of

PARKED_SECONDS = 600.0
"""How long the node, or a holding, stays parked after a failure that its owner has to mend."""
_FIRST_PAUSE = 30.0
"""How long it stays parked after a failure that may pass; twice as long each time after, up to `PARKED_SECONDS`."""
_NODE = "node"
_LONGEST_SENTENCE = 2000


class Place(BaseModel):
    """One file: what is parked, until when, and the sentence for the node's owner."""

    failure: Failure
    fingerprint: str | None
    sentence: str
    until: float
    times: int = 1
    """How often in a row."""


@dataclass(frozen=True)
class Parking:
    """The parked places of one node; `folder` is made when it is needed."""

    folder: Path
    clock: Callable[[], float] = time.time

    def park(self, error: BaseException, fingerprint: str) -> Place | None:
        """Park the holding that was worked on, or the whole node, whichever is at fault.

        Returns:
            What was parked; None for an error that is no fault of the node's: of the question, or of the registry.
        """
        failure = failure_of(error)
        if failure.fault == "question" or failure.code == "registry-unreachable":
            return None
        place = (fingerprint or None) if failure.fault == "data" else None
        known = self._read(self._file(place))
        times = known.times + 1 if known is not None and known.failure.code == failure.code else 1
        seconds = PARKED_SECONDS
        if failure.fault == "passing":
            seconds = min(_FIRST_PAUSE * 2.0 ** (times - 1), PARKED_SECONDS)
        words = str(error) if isinstance(error, RatatouilleError) else f"{type(error).__name__}: {error}"
        made = Place(
            failure=failure,
            fingerprint=place,
            sentence=words[:_LONGEST_SENTENCE],
            until=self.clock() + seconds,
            times=times,
        )
        self._write(made)
        return made

    def active(self, fingerprint: str | None = None) -> list[Place]:
        """What is parked now; with a fingerprint, only what keeps work on that holding back."""
        now = self.clock()
        places = [self._read(file) for file in sorted(self.folder.glob("*.json"))]
        return [
            place
            for place in places
            if place is not None
            and place.until > now
            and (fingerprint is None or place.fingerprint in (None, fingerprint))
        ]

    def offered(self) -> tuple[Parked, ...]:
        """What is parked now, in the form of an offer: codes without words, and for how long still."""
        now = self.clock()
        return tuple(
            Parked(failure=place.failure, fingerprint=place.fingerprint, seconds=max(0.0, place.until - now))
            for place in self.active()
        )

    def free(self, fingerprint: str | None) -> None:
        """Work on a holding went well: neither it nor the whole node is parked any more."""
        for place in (fingerprint, None):
            self._file(place).unlink(missing_ok=True)

    def clear(self) -> None:
        """Begin anew, as when the node is started."""
        for file in self.folder.glob("*.json"):
            file.unlink(missing_ok=True)

    def _file(self, fingerprint: str | None) -> Path:
        return self.folder / f"{fingerprint or _NODE}.json"

    def _read(self, file: Path) -> Place | None:
        try:
            return Place.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            return None

    def _write(self, place: Place) -> None:
        """Whole or not at all; on a full disk the node goes on without."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self._file(place.fingerprint)
            temporary = file.with_suffix(f".{os.getpid()}")
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
                json.dump(place.model_dump(mode="json"), written)
            temporary.replace(file)
