"""`ratatouille node pause`, `resume` and `leave`: instructions of the owner to a running node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratatouille.cli.output import Home, print_line, short
from ratatouille.errors import Refusal
from ratatouille.home import home

if TYPE_CHECKING:
    from contributor_client.control import Control, NodeState, Wish

NodeArgument = Annotated[
    str | None,
    typer.Argument(
        help="The node's name or its node.toml (default: the one that runs from the home folder).",
        metavar="[NAME|NODE.TOML]",
    ),
]


def pause(node: NodeArgument = None, folder: Home = None) -> None:
    """Pause a running node of this machine until it is resumed.

    A training is saved at the step where it is. The node's other processes end, so memory and GPU are free, and its
    offer is withdrawn: rounds go on without it.
    """
    _follow(meant(node, folder), "pause")


def resume(node: NodeArgument = None, folder: Home = None) -> None:
    """Let a paused node work again, from where it was saved.

    Outside of the `hours` in its file it waits until they begin.
    """
    _follow(meant(node, folder), "work")


def leave(node: NodeArgument = None, folder: Home = None) -> None:
    """End a running node of this machine, as Ctrl-C in its terminal does."""
    control = meant(node, folder)
    before = control.state()
    control.instruct("leave")
    left = control.wait_until_left()
    print_line(_said(control, left or before, "has left", left.sentence if left else ""))


def _follow(control: Control, wish: Wish) -> None:
    """Give an instruction, wait until the node has followed it, and say what it did.

    Raises:
        Refusal: when the node has ended meanwhile.
    """
    state = control.wait_until_followed(control.instruct(wish))
    if state is None or state.state == "leaving":
        raise Refusal(
            f"the node of '{control.folder}' has ended meanwhile; its logs are in '{control.folder / 'logs'}'"
        )
    sentence = "it works when its hours begin" if state.state == "outside hours" else state.sentence
    if (state.state == "paused") != (wish == "pause"):
        sentence = "another instruction came at the same time, and the node followed the later one"
    print_line(_said(control, state, "paused" if state.state == "paused" else "resumed", sentence))


def _said(control: Control, state: NodeState | None, what: str, sentence: str) -> str:
    name = f"the node of '{control.folder}'"
    if state is not None:
        name = f"node {state.name}" + (f" (key {short(state.node)})" if state.node else "")
    return f"{name}: {what}{sentence and f'; {sentence}'}"


def meant(node: str | None, folder: Path | None) -> Control:
    """The node that is meant.

    Raises:
        Refusal: when none is named, and not just one runs from the home folder.
    """
    from contributor_client.control import Control, running_nodes

    if folder is None and node is None:
        found = running_nodes(home())
        if not found:
            raise Refusal(f"no node runs from '{home()}'; `ratatouille node join node.toml` starts one")
        if len(found) > 1:
            names = ", ".join(one.folder.name for one in found)
            raise Refusal(f"several nodes run here ({names}); say which one")
        return found[0]
    return Control(folder or folder_of(str(node)))


def folder_of(node: str) -> Path:
    """The folder of a node by its name or its file."""
    from ratatouille.tasks.node import read_node_settings

    if not node.endswith(".toml"):
        return home() / "nodes" / Path(node).name
    return read_node_settings(Path(node)).place
