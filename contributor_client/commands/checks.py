"""`ratatouille node check` and `node doctor`: what stands in a node's way, before it joins and while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from contributor_client.commands.control import NodeArgument, meant
from ratatouille.cli.output import AsJson, Home, Remote, TableLayout, print_json, print_line, print_table, safe
from ratatouille.wording import number_of

if TYPE_CHECKING:
    from contributor_client.node_checks import NodeChecks

CHECKS = TableLayout(("check", "state", "what was found, and what to do"), prose=("what was found, and what to do",))
_STYLES = {"good": "green", "warning": "yellow", "bad": "bold red", "unknown": "dim"}


def check(
    subject: Annotated[
        str | None,
        typer.Argument(
            help="An invitation (a file, - for standard input, or the line) or a node.toml (default: the one here, "
            "or the federation that this home has joined).",
            metavar="[INVITE|NODE.TOML]",
        ),
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Check line, keys, data and device before a node joins; nothing is changed or used up.

    It takes less than ten seconds. What is wrong comes with its cause and the next step, and the command then ends with
    code 1. What cannot be known before something else is mended says so.
    """
    from contributor_client.node_checks import check_node
    from contributor_client.subject import subject_of

    found = check_node(subject_of(subject, remote))
    _show(found, as_json, "`ratatouille node join` can go on")


def doctor(node: NodeArgument = None, folder: Home = None, as_json: AsJson = False) -> None:
    """Check a running node of this machine: its processes, both lanes, its work, and all that `node check` does.

    It takes less than ten seconds, and disturbs nothing. What is wrong comes with its cause and the next step, and the
    command then ends with code 1.
    """
    from contributor_client.doctor import examined

    _show(examined(meant(node, folder)), as_json, "the node can work")


def _show(found: NodeChecks, as_json: bool, all_is_well: str) -> None:
    """Print what was found; the command ends with code 1 when something is wrong."""
    if as_json:
        print_json(found)
    else:
        node = f"node {found.node} of {found.file}" if found.node is not None else "no node.toml"
        print_line(f"{found.address}, {node}")
        print_table(CHECKS, [(one.step, safe(one.state, _STYLES[one.state]), one.sentence) for one in found.checks])
        if found.wrong:
            steps = ", ".join(one.step for one in found.wrong)
            print_line(f"{number_of(len(found.wrong), 'thing is', 'things are')} wrong: {steps}; begin with the first")
        else:
            print_line(f"nothing is wrong; {all_is_well}")
    if found.wrong:
        raise typer.Exit(1)
