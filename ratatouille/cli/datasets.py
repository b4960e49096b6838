"""`ratatouille dataset`: a data set of the paper, from its folder on disk to files that the other commands read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson
from ratatouille.tasks.domainbed import DATA_SETS, data_set_named, prepare
from ratatouille.wording import number_of


def dataset(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(DATA_SETS)}.", metavar="NAME")],
    data_dir: Annotated[Path, typer.Option(help="The folder that holds the data set's folder.")],
    to: Annotated[Path, typer.Option("--output", help="Where to write NAME.task.toml and NAME.node.toml.")] = Path(),
    kind: Annotated[
        Literal["target", "auxiliary"], typer.Option(help="What the task is for, where a round does not say.")
    ] = "target",
    force: Annotated[bool, typer.Option("--force", help="Replace files that say something else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write task and node files for a data set of the paper.

    Nothing is downloaded. Where metadata say what an image is, a manifest is written beside the images too.
    """
    row = data_set_named(name)
    prepared = prepare(row, data_dir, to, kind, force)
    if as_json:
        output.print_json(prepared)
        return
    files = [prepared.task, prepared.node, *([prepared.manifest] if prepared.manifest else [])]
    size = f"{number_of(len(row.domains), 'domain')}, {number_of(len(row.classes), 'class', 'classes')}"
    output.print_line(f"{row.title} in {prepared.folder}: {size}")
    output.print_line(f"wrote {', '.join(map(str, files))}")
    for note in prepared.notes:
        output.print_line(f"note: {note}", "yellow")
    output.print_line(f"`ratatouille check {prepared.node} --task-file {prepared.task}` reads the images")
