"""Commands that enter something: `task add`, `task list`, and `push` for a checkpoint that was trained elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote, transferring
from ratatouille.home import home
from ratatouille.tasks.task import Task, load_task
from ratatouille.wording import number_of
from registry.commands.opened import opened
from registry.lists import every
from registry.services.registry import Registry

TASKS = output.TableLayout(
    ("name", "kind", "classes", "domains", "metric", "id", "description"),
    drop=("id", "metric", "classes", "kind"),
    prose=("domains", "description"),
)
_LABELS = {"start": "from"}
"""Words for people in place of a key of the document."""


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
        output.print_table(TASKS, map(_row, tasks))
    else:
        output.print_line("no task is defined; `ratatouille task add task.toml` defines one")


def all_tasks(registry: Registry) -> Iterator[Task]:
    """Every task that is defined, by name."""
    return every(lambda last: registry.definitions.tasks(last.name if last else ""))


def _size(task: Task) -> str:
    return f"{number_of(len(task.classes), 'class', 'classes')}, {number_of(len(task.domains), 'domain')}"


def _row(task: Task) -> tuple[str, ...]:
    classes, domains = str(len(task.classes)), ", ".join(task.domains)
    return task.name, task.kind, classes, domains, task.metric, output.short(task.digest), task.description


def push(
    file: Annotated[
        Path, typer.Argument(help="A safetensors file with timm's names, or a folder as timm saves it.", metavar="FILE")
    ],
    start: Annotated[str, typer.Option("--from", help="The version that it was trained from.", metavar="REV")],
    task: Annotated[
        str | None, typer.Option(help="The task that its classifier is for; without it, a featurizer alone.")
    ] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="How it was made; it is kept in the history.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be pushed, and push nothing.")] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Enter a checkpoint that was trained elsewhere.

    Its weights must be float32, of the same network as --from, and its BatchNorm statistics untouched; what its
    config.json says must be what the federation computes. Where torch is installed, both networks are tried. Outputs
    are brought into the order of the task's classes where config.json names them. Pushing again changes nothing.
    """
    from ratatouille.exchange.signing import Signer
    from registry.exports.folders.importing import push_parts, read_checkpoint, refuse_long

    refuse_long(message)
    with opened(remote) as registry, tempfile.TemporaryDirectory() as folder:
        about = None if task is None else registry.definitions.task(task)
        parts = read_checkpoint(registry, file, start, about, Path(folder))
        # named as text, as the table of commands names them: the registry knows no torch
        notes = [*parts.notes, *import_module("contributor_client.agreement").notes_of_agreement(parts)]
        question = parts.question
        facts = {
            "file": str(file),
            "start": parts.parent,
            "task": None if about is None else about.name,
            "classifier": parts.classifier,
            "permuted": parts.permuted,
            "featurizer": question.featurizer,
            "head": question.head,
            "bytes": sum(path.stat().st_size for path in parts.files.values()),
            "notes": notes,
        }
        if not as_json:
            rows = [(_LABELS.get(name, name), _shown(value)) for name, value in facts.items() if name != "notes"]
            output.print_table(output.PAIRS, rows)
            for note in notes:
                output.print_line(f"note: {note}", "yellow")
        if dry_run:
            if as_json:
                output.print_json(facts)
            else:
                output.print_line("nothing was pushed")
            return
        signer = Signer.open(home() / "key")
        if as_json:
            result, new = push_parts(registry, signer, parts, message)
            output.print_json({**facts, "version": result.version, "new": new})
            return
        with transferring("pushing weights") as progress:
            result, new = push_parts(registry, signer, parts, message, progress)
    output.print_line(f"version {output.short(result.version)} " + ("is entered" if new else "was entered before"))


def _shown(value: object) -> str:
    return "yes" if value is True else "no" if value is False else "–" if value is None else str(value)
