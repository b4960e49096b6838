"""Architectures and tasks: defined once, by digest, and tasks also by a name that means one definition for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from registry.lists import MOST_ROWS
from registry.services.method import ImportedOnUse, Service, method

if TYPE_CHECKING:
    from registry.ledger import definitions
else:
    definitions = ImportedOnUse("registry.ledger.definitions")


class Definitions(Service):
    """Definitions of architectures and tasks."""

    @method("contributor")
    def define_architecture(self, architecture: Architecture) -> str:
        """Enter an architecture; returns its digest."""
        return self._writing(definitions.define_architecture, architecture)

    @method("reader")
    def architecture(self, digest: str) -> Architecture:
        """The architecture with this digest."""
        return self._reading(definitions.architecture, digest)

    @method("maintainer")
    def define_task(self, task: Task) -> str:
        """Enter a task under its name; a name means one definition for ever (Refusal for another one)."""
        return self._writing(definitions.define_task, task)

    @method("reader")
    def task(self, name_or_digest: str) -> Task:
        """A task by name or digest."""
        return self._reading(definitions.task, name_or_digest)

    @method("reader")
    def tasks(self, after: str = "", limit: int = MOST_ROWS) -> list[Task]:
        """Tasks by name; the next page begins after the last one's name."""
        return self._reading(definitions.tasks, after, limit)
