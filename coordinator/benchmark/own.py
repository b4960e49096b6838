"""A benchmark of one's own: a round.toml over several trials, on the data of one's own node.toml files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coordinator.benchmark.suite import Planned, Suite, Wishes
from coordinator.settings import read_round_settings
from ratatouille.errors import Refusal
from ratatouille.recipes.protocol import resolve_protocol
from ratatouille.tasks.node import read_node_settings
from ratatouille.tasks.task import load_task

FOUNDATION, TRIALS = "efficientnet-lite0", 5


def suite(
    file: Path,
    nodes: Sequence[Path],
    tasks: Sequence[Path],
    foundation: str | None,
    architecture: str | None,
    wishes: Wishes,
) -> Suite:
    """Lay out the rounds.

    Args:
        file: the round.toml; its trial is where the trials begin.
        nodes: node.toml files that hold the data of target and auxiliary tasks.
        tasks: task.toml files of all tasks that the nodes name.
        foundation: what `ratatouille foundation` takes; None: the one that packages ship.
        architecture: timm's name, where the foundation does not say it.
        wishes: trials, recipes, and protocol values that replace the file's.

    Raises:
        Refusal: a file that cannot be read, or a task without a file.
    """
    settings = read_round_settings(file)
    defined = {task.name: task for task in map(load_task, tasks)}
    opened = tuple(read_node_settings(node) for node in nodes)
    for node in opened:
        for table in node.data:
            if table.task not in defined:
                raise Refusal(f"node '{node.name}' holds data of task '{table.task}'; give its task.toml with --task")
    protocol = settings.protocol | wishes.protocol
    resolved = resolve_protocol(
        str(protocol.get("name", "domainbed")), {key: value for key, value in protocol.items() if key != "name"}
    )
    changes: dict[str, Any] = {"recipes": wishes.recipes or settings.recipes, "protocol": protocol}
    changes |= {"foundation": "foundation", "starts": ()}  # starts are brought from elsewhere before a round begins
    rounds = tuple(
        Planned("", trial, settings.model_copy(update={**changes, "trial": trial, "name": f"{settings.name}-{trial}"}))
        for trial in range(settings.trial, settings.trial + (wishes.trials or TRIALS))
    )
    return Suite(
        name=settings.name,
        nodes=opened,
        tasks=tuple(defined.values()),
        foundation=foundation or FOUNDATION,
        architecture=architecture,
        image_size=resolved.image_size,
        rounds=rounds,
        about=(
            f"Target {settings.target}, held out: {', '.join(settings.held_out) or 'nothing'}. Data of "
            f"{', '.join(node.name for node in opened)}."
            + (f" Starts from another registry: {', '.join(settings.starts)}." if settings.starts else "")
        ),
        starts=settings.starts,
    )
