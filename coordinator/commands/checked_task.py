"""`ratatouille check` of a task.toml."""

from __future__ import annotations

from pathlib import Path

from ratatouille.cli import output
from ratatouille.errors import Refusal, Unreachable
from ratatouille.record import Digest, Record
from ratatouille.tasks.task import Task, load_task
from registry.commands.enter import all_tasks
from registry.commands.opened import opened


class CheckedTask(Record):
    """A task as a file defines it, and what the registry has under its name."""

    kind: str = "task"
    task: Task
    id: Digest
    registry: str
    """`defined` (the same), `new`, or `unreachable`."""

    def show(self) -> None:
        """Print it for people."""
        task, split = self.task, self.task.split
        shares = {"train": split.train, "validate": split.validation, "test": split.test}
        sentences = {
            "defined": "is defined like this already",
            "new": "does not have it yet; `ratatouille task add` defines it",
            "unreachable": "does not answer, so a definition under this name could differ",
        }
        rows = [
            ("task", f"{task.name} ({task.kind})"),
            ("classes", f"{len(task.classes)}: {', '.join(task.classes)}"),
            ("domains", f"{len(task.domains)}: {', '.join(task.domains)}"),
            ("split", ", ".join(f"{100 * share:g} % {verb}" for verb, share in shares.items() if share)),
            ("metric", task.metric + (", balanced class weights" if task.class_weights == "balanced" else "")),
            ("description", task.description or "–"),
            ("id", self.id),
            ("registry", sentences[self.registry]),
        ]
        output.print_table(("", ""), rows)


def checked_task(file: Path, remote: str | None) -> CheckedTask:
    """Read a task.toml and compare it with the registry's definition.

    Raises:
        Refusal: for a mistake in the file, or another definition under the same name.
    """
    task = load_task(file)
    try:
        with opened(remote, make=False) as registry:
            known = next((one for one in all_tasks(registry) if one.name == task.name), None)
    except Unreachable:
        return CheckedTask(task=task, id=task.digest, registry="unreachable")
    if known is not None and known != task:
        raise Refusal(
            f"'{file}' defines task '{task.name}' otherwise than the registry does ({different(task, known)}); "
            "a name means one definition for ever, so choose another name"
        )
    return CheckedTask(task=task, id=task.digest, registry="defined" if known else "new")


def different(one: Task, other: Task) -> str:
    """The keys in which two tasks differ."""
    return ", ".join(name for name in Task.model_fields if getattr(one, name) != getattr(other, name))
