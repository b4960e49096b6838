"""`ratatouille duplicates`: whether other tasks repeat images of a target's held-out domains, by hashes alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote, counting
from ratatouille.wording import number_of

if TYPE_CHECKING:
    from ratatouille.tasks.duplicates import Hashed, Overlap

COLUMNS = output.TableLayout(
    ("target", "domain", "images repeated", "by task", "images repeating"), drop=("target", "images repeating")
)


def duplicates(
    files: Annotated[list[Path], typer.Argument(help="Node files, or files of hashes.", metavar="FILE…")],
    save: Annotated[
        Path | None, typer.Option(help="Write the hashes to this file, for others to compare; compare nothing.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The target (default: every task that is one by its definition).")
    ] = None,
    held_out: Annotated[
        list[str] | None, typer.Option(help="A domain of the target that is held out (default: each).")
    ] = None,
    distance: Annotated[int, typer.Option(help="Most bits of 64 by which near-duplicates differ.", min=0, max=16)] = 6,
    task_file: Annotated[
        list[Path] | None, typer.Option(help="Definition of a task that the registry does not have.")
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Count images of a target that other tasks nearly repeat.

    A node file (.toml) is hashed here, on the machine that has its images; a file of hashes (.json) was made by --save
    on another. Hashes are not secret: a person who has a picture can test whether a hash is of it.
    """
    from ratatouille.folders import write_whole
    from ratatouille.tasks.duplicates import HashFile, overlaps

    data = [one for file in files for one in _hashes(file, task_file or [], remote, as_json)]
    if save is not None:
        write_whole(save, [HashFile(data=tuple(data)).to_json()])
        hashes = sum(len(one.hashes) for one in data)
        written = {"file": str(save), "hashes": hashes}
        output.print_json(written) if as_json else output.print_line(
            f"wrote {number_of(hashes, 'hash', 'hashes')} to {save}"
        )
        return
    found = overlaps(data, target, held_out or [], distance)
    if as_json:
        output.print_json({"distance": distance, "overlaps": found})
    else:
        _show(found, distance)


def _hashes(file: Path, task_files: Sequence[Path], remote: str | None, quiet: bool) -> list[Hashed]:
    """The hashes of a node's data, or those of a file."""
    from ratatouille.tasks.duplicates import hashed, read_hashes

    if file.suffix.lower() == ".json":
        return list(read_hashes(file).data)
    from coordinator.commands.checked_node import TaskFinder, opened_holdings
    from ratatouille.tasks.node import read_node_settings

    settings = read_node_settings(file)
    find = TaskFinder(remote or settings.remote, task_files, file.parent / "task.toml")
    opened = opened_holdings(settings, find, quiet)
    with nullcontext() if quiet else counting("hashing images") as progress:
        return [one for data in opened.values() for one in hashed(data, progress)]


def _show(found: Sequence[Overlap], distance: int) -> None:
    rows = [
        (one.target, one.domain, f"{one.images} of {one.of}", one.task, f"{one.task_images} of {one.task_of}")
        for one in found
    ]
    output.print_table(COLUMNS, rows)
    for one in found:
        if one.images:
            output.print_line(
                f"warning: {one.images} of {number_of(one.of, 'image')} of {one.target} in domain {one.domain} nearly "
                f"repeat images of {one.task}; trainings on it have seen them, so hold out another domain or leave it "
                "out",
                "yellow",
            )
    if not any(one.images for one in found):
        output.print_line(f"no near-duplicates: all hashes differ in more than {distance} of 64 bits")
