"""`ratatouille evaluate --by-nodes`: counts of versions are asked of the nodes that hold the data of their task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ratatouille.cli import output
from ratatouille.errors import Refusal
from registry.callers.ancestors import trained_size
from registry.services.registry import Registry

NodeSplit = Literal["train", "validation", "test", "all"]


def ask_nodes(
    registry: Registry, revisions: Sequence[str], image_size: int | None, split: NodeSplit, as_json: bool
) -> None:
    """Ask for counts of each version on every domain that nodes which are here hold, and say what is open.

    Raises:
        Refusal: for a version that nodes do not count: retracted, without a head, or with one that was imported.
    """
    owed = []
    for revision in revisions:
        details = registry.versions.show(revision)
        size = image_size or trained_size(registry, details)
        if size is None:
            raise Refusal(f"nobody trained {revision} or what it comes from; say with --image-size how many pixels")
        owed += registry.work.owe(details.entry.id, size, split)
    if as_json:
        output.print_json({"owed": owed})
        return
    for one in owed:
        output.print_line(one.order.label)
    if owed:
        where = "a coordinator orders them from nodes as soon as these are free"
        if registry.info().fleet is None:
            where = "no coordinator is up, and they wait for one"
        output.print_line(f"{len(owed)} evaluations are asked of nodes; {where}. `ratatouille show` has the counts.")
    else:
        output.print_line("nothing is open: it was counted, or no node that is here holds data of its task")
