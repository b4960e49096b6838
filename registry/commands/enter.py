"""Commands that define tasks: `task add`, `task list`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.tasks.task import Task, load_task
from registry.commands.opened import opened
from registry.lists import every
from registry.services.registry import Registry


def task_add(
    file: Annotated[Path, typer.Argument(help="A task.toml; `ratatouille init task` writes one.", metavar="FILE")],
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Define a task from a task.toml, once for all."""
    task = load_task(file)
    with opened(remote, make=True) as registry:
        known = any(one.name == task.name for one in all_tasks(registry))
        digest = registry.definitions.define_task(task)
    if as_json:
        output.print_json({"name": task.name, "digest": digest, "new": not known})
    else:
        verb = "was defined like this before" if known else "is defined now"
        output.print_line(f"task {task.name} {verb}: {_size(task)} ({output.short(digest)})")


def task_list(remote: Remote = None, as_json: AsJson = False) -> None:
    """List the tasks that are defined."""
    with opened(remote) as registry:
        tasks = list(all_tasks(registry))
    if as_json:
        output.print_json({"tasks": [{**output.plain(task), "digest": task.digest} for task in tasks]})
    elif tasks:
        columns = ("name", "kind", "classes", "domains", "metric", "id", "description")
        output.print_table(columns, map(_row, tasks))
    else:
        output.print_line("no task is defined; `ratatouille task add task.toml` defines one")


def all_tasks(registry: Registry) -> Iterator[Task]:
    """Every task that is defined, by name."""
    return every(lambda last: registry.definitions.tasks(last.name if last else ""))


def _size(task: Task) -> str:
    return f"{len(task.classes)} classes, {len(task.domains)} domains"


def _row(task: Task) -> tuple[str, ...]:
    classes, domains = str(len(task.classes)), ", ".join(task.domains)
    return task.name, task.kind, classes, domains, task.metric, output.short(task.digest), task.description
