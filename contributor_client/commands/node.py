"""`ratatouille node …`: join a federation, see who is there, and remove what this machine keeps of images."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratatouille.cli.output import (
    AsJson,
    Home,
    LogFormat,
    Remote,
    TableLayout,
    counting,
    print_json,
    print_line,
    print_table,
    say_what_happens,
    short,
)
from ratatouille.errors import Refusal
from ratatouille.folders import make_private
from ratatouille.home import home
from ratatouille.processes import stop_on_signals
from ratatouille.wording import enumerated

if TYPE_CHECKING:
    from contributor_client.activity import Activity
    from contributor_client.control import State
    from ratatouille.tasks.kept import Kept


_END_SECONDS = 90.0
"""A large checkpoint takes its time; a second Ctrl-C ends at once."""
NODES = TableLayout(
    ("node", "key", "role", "data (images)", "now", "seen"), drop=("seen", "role"), prose=("data (images)", "now")
)
Files = Annotated[
    list[Path] | None,
    typer.Argument(help="Only of these nodes (default: all in the home folder).", metavar="[NODE.TOML...]"),
]


def join(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The node's settings (default: node.toml here; written if there is none).", metavar="[NODE.TOML]"
        ),
    ] = None,
    invite: Annotated[
        str | None,
        typer.Option("--invite", help="The invitation: a file, - for standard input, or the line.", metavar="FILE"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="How others see you and the node (public).", metavar="NAME")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="For a new node.toml: your images, or a CSV manifest.", metavar="FOLDER"),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="For a new node.toml: the task that they belong to.", metavar="TASK")
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            "--domain",
            help="For a new node.toml: the domain of all images, or FOLDER=DOMAIN for each folder (several times).",
            metavar="DOMAIN",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="For a new node.toml: the class of a label of yours; - leaves its images out (several times).",
            metavar="LABEL=CLASS",
        ),
    ] = None,
    missing_classes: Annotated[
        bool, typer.Option("--allow-missing-classes", help="For a new node.toml: some classes have no images.")
    ] = False,
    time_limit: Annotated[
        str | None,
        typer.Option("--time-limit", help="Leave before this time has passed, such as 4h (for Slurm).", metavar="TIME"),
    ] = None,
    remote: Remote = None,
    folder: Home = None,
    log_format: LogFormat = None,
) -> None:
    """Offer data and work to a federation until stopped.

    The first join takes an invitation, makes your key, and asks for what the node must know; later joins ask nothing.
    Ctrl-C leaves: a training is saved at the step where it is, and goes on next time; a second Ctrl-C leaves at once.
    On a terminal one line shows what the node does, with -v more.
    """
    began = time.time()
    from contributor_client.commands.joining import Wanted, prepared
    from contributor_client.commands.live import showing
    from contributor_client.node import Node
    from contributor_client.time_left import end_of
    from registry.commands.opened import registry_in_force

    say_what_happens()
    wanted = Wanted(file, remote, invite, name, images, task, domain or (), label or (), missing_classes, folder)
    if time_limit is not None:
        end_of(time_limit, began)  # a mistake is said before anything is written
    settings, address = prepared(wanted)
    stop = stop_on_signals(_END_SECONDS, second_ends=True)  # not before: Ctrl-C ends a question at once
    leave_at = end_of(time_limit or settings.time_limit, began)
    file = wanted.path
    place = folder or settings.place
    registry_in_force(address).close()  # a mistyped folder is said before the node has a key
    # The umask reaches the node's child processes too: what they write is its owner's alone, as what we write is.
    os.umask(0o077)
    make_private(home())
    node = Node(settings, file.resolve(), place.resolve(), address, leave_at)
    if leave_at is not None:
        print_line(f"this node leaves at {datetime.fromtimestamp(leave_at):%H:%M}, before its time limit")
    level = logging.getLogger().level
    with ExitStack() as reading, showing(level <= logging.DEBUG, level >= logging.ERROR) as show:
        progress = reading.enter_context(counting("reading images"))

        def show_after_reading(state: State, activity: Activity) -> None:
            reading.close()  # a terminal shows one thing that changes at a time
            show(state, activity)

        node.run(stop, print_line, progress, show_after_reading)
    print_line(f"node {settings.name} has left")


def status(remote: Remote = None, as_json: AsJson = False) -> None:
    """List the nodes that are here and what they do."""
    from contributor_client.control import RESTING, running_nodes
    from registry.commands.opened import registry_in_force

    registry = registry_in_force(remote)
    offers = sorted(registry.work.offers(), key=lambda offer: (offer.name, offer.node))
    states = [state for one in running_nodes(home()) if (state := one.state()) is not None]
    resting = [one for one in states if one.state in RESTING]
    leases = registry.work.leases()
    at_work = {offer.node: [lease for lease in leases if lease.node == offer.node] for offer in offers}
    if as_json:
        held = [(offer, at_work[offer.node]) for offer in offers]
        nodes = [{"offer": offer, "lease": next(iter(one), None), "leases": one} for offer, one in held]
        print_json({"nodes": nodes, "resting": resting})
        return
    if not offers and not resting:
        print_line("no node is here; `ratatouille node join node.toml` adds one")
        return
    rows = []
    for offer in offers:
        data = "; ".join(f"{held.task_name}: {enumerated(held.domains, 6)} ({held.total()})" for held in offer.holdings)
        steps = [f"{lease.doing} {lease.done}/{lease.total}".removesuffix(" 0/0") for lease in at_work[offer.node]]
        doing = "; ".join(steps) or "idle"
        if not steps and not offer.hears_orders:
            doing = "hears no orders: its work lane does not answer"
        if offer.parked:
            doing = "parked: " + "; ".join(dict.fromkeys(one.failure.sentence() for one in offer.parked))
        seen = f"{max(0.0, time.time() - offer.issued):.0f} s ago"
        rows.append([offer.name, short(offer.node), "trains" if offer.trains else "evaluates", data, doing, seen])
    rows += [[one.name, short(one.node), "", "", f"{one.state} on this machine", ""] for one in resting]
    print_table(NODES, rows)


def forget(
    files: Files = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what this machine keeps of your images: decoded copies, features, hashes, checkpoints.

    Your images themselves stay, and so do the node's key and the weights that it fetched. Without NODE.TOML it is what
    all nodes in the home folder, rehearsals, `evaluate` and `best --data` keep. Without a terminal it wants --yes.
    """
    found = _found(files)
    if not as_json:
        rows = [(one.what, str(one.place), str(one.files), f"{one.bytes / 1e6:.1f}") for one in found]
        if not found:
            print_line("nothing is kept of any image")
            return
        print_table(TableLayout(("what", "where", "files", "MB"), drop=("files",)), rows)
    if found and not yes:
        if as_json or not sys.stdin.isatty():
            raise Refusal("this removes files for good; say --yes, or leave it out at a terminal to be asked")
        typer.confirm("Remove all of it?", abort=True)
    for one in found:
        one.remove()
    if as_json:
        print_json(
            {
                "removed": [
                    {"what": one.what, "path": str(one.place), "files": one.files, "bytes": one.bytes} for one in found
                ]
            }
        )
    else:
        print_line("removed; the images themselves, keys and fetched weights stay")


def _found(files: Sequence[Path] | None) -> list[Kept]:
    """What is kept by these nodes, or by everything in the home folder.

    Raises:
        Refusal: for a node that runs.
    """
    from contributor_client.paths import refuse_running
    from ratatouille.tasks.kept import OWN_DATA, kept_in
    from ratatouille.tasks.node import read_node_settings

    settings = [read_node_settings(file) for file in files or ()]
    nodes = [one.place for one in settings]
    if not files:
        nodes = [*sorted(home().glob("nodes/*")), home() / "rehearsal"]
    for node in nodes:
        refuse_running(node)
    found = [one for node in nodes for one in kept_in(node)]
    return found if files else [*found, *kept_in(home() / "own-data", OWN_DATA)]
