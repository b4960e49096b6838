"""Architectures and tasks: defined once, by digest, and tasks also by a name that means one definition for ever."""

from __future__ import annotations

from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from registry.lists import MOST_ROWS
from registry.services.method import Service, method


class Definitions(Service):
    """Definitions of architectures and tasks."""

    @method("contributor")
    def define_architecture(self, architecture: Architecture) -> str:
        """Enter an architecture; returns its digest."""
        from registry.ledger import definitions

        with self._write() as connection:
            return definitions.define_architecture(connection, architecture)

    @method("reader")
    def architecture(self, digest: str) -> Architecture:
        """The architecture with this digest."""
        from registry.ledger import definitions

        with self._read() as connection:
            return definitions.architecture(connection, digest)

    @method("maintainer")
    def define_task(self, task: Task) -> str:
        """Enter a task under its name; a name means one definition for ever (Refusal for another one)."""
        from registry.ledger import definitions

        with self._write() as connection:
            return definitions.define_task(connection, task)

    @method("reader")
    def task(self, name_or_digest: str) -> Task:
        """A task by name or digest."""
        from registry.ledger import definitions

        with self._read() as connection:
            return definitions.task(connection, name_or_digest)

    @method("reader")
    def tasks(self, after: str = "", limit: int = MOST_ROWS) -> list[Task]:
        """Tasks by name; the next page begins after the last one's name."""
        from registry.ledger import definitions

        with self._read() as connection:
            return definitions.tasks(connection, after, limit)
