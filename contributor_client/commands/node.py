"""`ratatouille node …`: join a federation with a node.toml, and see who is there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli.options import AsJson, Home, Remote
from ratatouille.cli.output import console, print_json, print_line, print_table, say_what_happens, short
from ratatouille.cli.progress import counting
from ratatouille.folders import make_private
from ratatouille.home import home, remote_in_force
from ratatouille.processes import stop_on_signals

_END_SECONDS = 20.0


def join(
    file: Annotated[Path, typer.Argument(help="The node's settings.", metavar="NODE.TOML")],
    remote: Remote = None,
    folder: Home = None,
) -> None:
    """Offer data and work to a federation until stopped.

    The first join makes the node's key, its identity. Ctrl-C leaves; work in progress is kept and goes on next time.
    """
    stop = stop_on_signals(_END_SECONDS)
    from contributor_client.node import Node
    from ratatouille.tasks.node import read_node_settings
    from registry.commands.opened import registry_in_force

    say_what_happens()
    settings = read_node_settings(file)
    place = folder or settings.folder or home() / "nodes" / settings.name
    address = remote_in_force(remote or settings.remote).value
    registry_in_force(address).close()  # a mistyped folder is said before the node has a key
    # The umask reaches the node's child processes too: what they write is its owner's alone, as what we write is.
    os.umask(0o077)
    make_private(home())
    node = Node(settings, file.resolve(), place.resolve(), address)
    with counting("reading images") as progress:
        node.run(stop, print_line, progress)
    console.print(f"node {settings.name} has left")


def status(remote: Remote = None, as_json: AsJson = False) -> None:
    """List the nodes that are here and what they do."""
    from registry.commands.opened import registry_in_force

    registry = registry_in_force(remote)
    offers = sorted(registry.work.offers(), key=lambda offer: offer.name)
    at_work = {lease.node: lease for lease in registry.work.leases()}
    if as_json:
        print_json({"nodes": [{"offer": offer, "lease": at_work.get(offer.node)} for offer in offers]})
        return
    if not offers:
        console.print("no node is here; `ratatouille node join node.toml` adds one")
        return
    rows = []
    for offer in offers:
        lease = at_work.get(offer.node)
        data = "; ".join(f"{held.task_name}: {', '.join(held.domains)} ({held.total()})" for held in offer.holdings)
        doing = "idle" if lease is None else f"{lease.doing} {lease.done}/{lease.total}".removesuffix(" 0/0")
        if lease is None and not offer.hears_orders:
            doing = "hears no orders: its work lane does not answer"
        if offer.parked:
            doing = "parked: " + "; ".join(dict.fromkeys(one.failure.sentence() for one in offer.parked))
        seen = f"{max(0.0, time.time() - offer.issued):.0f} s ago"
        rows.append([offer.name, short(offer.node), "trains" if offer.trains else "evaluates", data, doing, seen])
    print_table(["node", "key", "role", "data (images)", "now", "seen"], rows)
