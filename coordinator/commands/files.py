"""`ratatouille init` and `ratatouille check`: write a settings file, and say what one would do before it does it."""

from __future__ import annotations

from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Protocol

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.cli.remotes import my_public_name
from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.invitation import PREFIX
from ratatouille.settings import read_toml
from ratatouille.tasks.settings import node_template

Kind = Literal["task", "node", "round"]
MARKS: dict[Kind, frozenset[str]] = {
    "task": frozenset({"classes", "domains", "metric", "split", "class_weights", "description"}),
    "node": frozenset({"data", "device", "trains", "cache_megabytes", "image_cache", "remote", "folder"}),
    "round": frozenset({"target", "recipes", "held_out", "auxiliaries", "starts", "foundation", "protocol", "slices"}),
}
"""Keys that only one kind of file has."""


class Checked(Protocol):
    """What was found of a file: a record that `--json` prints, and that shows itself to people."""

    def show(self, details: bool = False) -> None:
        """Print it for people; all of it with `details`, else what fits a screen."""


def init(
    kind: Annotated[Kind, typer.Argument(help="Which file.", metavar="task|node|round")],
    path: Annotated[Path | None, typer.Argument(help="Where to write it (default: KIND.toml here).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented task, node or round file."""
    place = path or Path(f"{kind}.toml")
    if place.is_dir():
        place = place / f"{kind}.toml"
    if place.exists() and not force:
        raise Refusal(f"'{place}' exists already; choose another name, or replace it with --force")
    write_whole(place, [template(kind)])
    output.print_line(f"wrote {place}; fill it in, then `ratatouille check {place}`")


def check(
    file: Annotated[Path, typer.Argument(help="A task.toml, node.toml or round.toml.", metavar="FILE")],
    kind: Annotated[
        Kind | None, typer.Option(help="What it is, if its keys do not tell.", metavar="task|node|round")
    ] = None,
    task_file: Annotated[
        list[Path] | None, typer.Option(help="For a node: definition of a task that the registry does not have.")
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="For a node: every class, and every value that leaves this machine.")
    ] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Say what a task, node or round file would do."""
    if kind is None:
        refuse_invitation(file)
    kind = kind or kind_of(file)
    if task_file and kind != "node":
        raise Refusal(f"--task-file belongs to a node file, and '{file}' is a {kind} file")
    if details and kind != "node":
        raise Refusal(f"--details belongs to a node file, and '{file}' is a {kind} file")
    found: Checked
    # each branch imports what it needs: checking a task needs no image library
    if kind == "task":
        from coordinator.commands.checked import checked_task

        found = checked_task(file, remote)
    elif kind == "node":
        from coordinator.commands.checked_node import checked_node

        found = checked_node(file, remote, task_file or [], quiet=as_json)
    else:
        from coordinator.commands.checked import checked_round

        found = checked_round(file, remote)
    if as_json:
        output.print_json(found)
        return
    found.show(details)
    if kind == "round":
        output.print_line(f"What you release or retract is signed as {my_public_name()}; `ratatouille config name`.")


def template(kind: Kind) -> bytes:
    """The commented file of a kind."""
    if kind == "node":
        return node_template()
    return (files("coordinator.commands") / "templates" / f"{kind}.toml").read_bytes()


def refuse_invitation(file: Path) -> None:
    """Refuse an invitation, or a file with one: another command checks it.

    Raises:
        Refusal: for an invitation.
    """
    if str(file).startswith(PREFIX):  # its secret is not repeated
        raise Refusal("this is an invitation; `ratatouille node check INVITE` says what stands in its way")
    with suppress(OSError), file.open("rb") as begin:
        if begin.read(100).lstrip().startswith(PREFIX.encode()):
            raise Refusal(f"'{file}' is an invitation; `ratatouille node check {file}` says what stands in its way")


def kind_of(file: Path) -> Kind:
    """The kind of a file: the one whose keys it has, or whose name it bears.

    Raises:
        Refusal: for a file that cannot be read, or that could be anything.
    """
    named = [kind for kind in MARKS if kind in file.stem.lower()]
    if not file.exists() and len(named) != 1:
        raise Refusal(f"there is no file '{file}'; `ratatouille init task|node|round` writes one with comments")
    keys = set(read_toml(file, named[0] if len(named) == 1 else "settings"))
    hits = {kind: len(marks & keys) for kind, marks in MARKS.items()}
    likely = [kind for kind, count in hits.items() if count and count == max(hits.values())]
    if len(likely) != 1:
        likely = [kind for kind in named if kind in likely or not likely]
    if len(likely) != 1:
        raise Refusal(f"the keys of '{file}' do not tell what it is; say --kind task, node or round")
    return likely[0]
