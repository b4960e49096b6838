"""Notes of a running node for `node doctor`: its file, its registry, its processes, the last answer there.

It is a small file of the node's folder. The node writes it when something changes, and about every five seconds while
it works. Nothing of it leaves the machine.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from contributor_client.node_processes import NodeProcesses, ProcessSeen
from contributor_client.offer_renewal import OfferRenewal


class Running(BaseModel):
    """A node that runs."""

    model_config = ConfigDict(frozen=True)

    file: str = ""
    """Its node.toml; empty where nothing was noted."""
    remote: str = ""
    """The registry's address."""
    processes: tuple[ProcessSeen, ...] = ()
    """Those that live, or are started again; none while it rests."""
    answered: float = 0.0
    """When the registry last took its offer, in seconds since 1970; 0 for never."""
    problem: str = ""
    """Why it did not take the last one; empty when it did."""
    device: tuple[str, ...] = ()
    """What the trial of the device said at the start."""


class RunningFile:
    """Writes and reads what a node notes; a node that is killed leaves a whole file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: Running | None = None

    def look(self, file: Path, remote: str, processes: NodeProcesses, renewal: OfferRenewal) -> None:
        """Note what lives of a node at work, and how it stands with the registry."""
        seen = Running(file=str(file), remote=remote, processes=processes.seen, device=processes.tried)
        self.note(seen.model_copy(update={"answered": renewal.answered, "problem": renewal.problem}))

    def note(self, running: Running) -> None:
        """Write it where it is new; on a full disk the file stays as it is."""
        if running == self._written:
            return
        temporary = self._path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(running.model_dump_json())
            temporary.replace(self._path)
            self._written = running

    def read(self) -> Running:
        """What was noted last; nothing known where there is no file, or one of other software."""
        try:
            return Running.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return Running()
