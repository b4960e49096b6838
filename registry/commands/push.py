"""`ratatouille push`: a checkpoint that was trained elsewhere becomes a version."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote, transferring
from ratatouille.home import home
from registry.commands.opened import opened

_LABELS = {"start": "from"}
"""What people are shown in place of a key of the document."""


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
            said = [(_LABELS.get(name, name), _said(value)) for name, value in facts.items() if name != "notes"]
            output.print_table(("", ""), said)
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


def _said(value: object) -> str:
    return "yes" if value is True else "no" if value is False else "–" if value is None else str(value)
