"""`ratatouille node report`: trained alone and shared, on the node's own validation images, after each round."""

from __future__ import annotations

from typing import Annotated

import typer

from contributor_client.commands.control import NodeArgument
from contributor_client.commands.outbox import chosen_folder, signer_of
from ratatouille.cli.output import AsJson, Home, Remote, print_json, print_line


def report(
    node: NodeArgument = None,
    round: Annotated[
        str | None, typer.Option("--round", help="A round, by its name or id (default: the latest).", metavar="ROUND")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="At most so many rounds.")] = 5,
    folder: Home = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Compare what a node's own trainings reach with the shared model, on the node's validation images.

    For each round and recipe: trained alone X, shared Y, and the 95 % interval of the difference. It uses counts that
    the round made and the registry has; nothing is counted anew. Where counts are missing it says which, and why.
    """
    from contributor_client.node_report import node_report
    from registry.commands.opened import opened

    key = signer_of(chosen_folder(node, folder)).node
    with opened(remote) as registry:
        found = node_report(registry, key, round, limit)
    if as_json:
        print_json(found)
        return
    if not found.rounds:
        print_line("this node has trained in no round of this registry")
    for one in found.rounds:
        print_line(f"round {one.name} ({one.state})", "bold")
        for each in one.compared:
            print_line(f"  {each.sentence}")
        for why in one.missing:
            print_line(f"  not known: {why}", "yellow")
