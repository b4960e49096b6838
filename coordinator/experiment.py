"""Rounds from Python in a few lines, for notebooks and scripts: data, tasks and a foundation in one folder.

What is known there is not done again, so a script may be run twice, and a second recipe shares the first one's runs.
Workers are processes of this machine (rehearsal.py); there is no federation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from coordinator.rehearsal import RehearsalSite, lay_out, rehearse_all
from coordinator.results import result
from coordinator.settings import RoundSettings
from ratatouille.analysis.report import Report
from ratatouille.recipes.round import Round
from ratatouille.tasks.node import NodeData, NodeSettings
from ratatouille.tasks.task import Task
from registry.opening import open_registry
from registry.services.registry import Registry


class Experiment:
    """A registry with tasks and the foundation that rounds call `foundation`, and the images to train on."""

    def __init__(
        self,
        folder: Path,
        tasks: Sequence[Task],
        images: Mapping[str, Path],
        foundation: str = "efficientnet-lite0",
        image_size: int = 64,
        group: str = "file",
        architecture: str | None = None,
    ) -> None:
        """Define the tasks and enter the foundation in the folder, unless an earlier call has done so.

        Args:
            folder: where everything is kept.
            tasks: the target and the auxiliary tasks.
            images: folder or manifest of each task, by its name.
            foundation: what `ratatouille foundation` takes.
            image_size: pixels of a side.
            group: what a split may not tear apart, as in node.toml.
            architecture: timm's name of the network, where the foundation is a file.

        Raises:
            Refusal: a foundation that cannot be entered, or tasks of another definition in this folder.
        """
        data = tuple(NodeData(task=task.name, path=images[task.name].resolve(), group=group) for task in tasks)
        nodes = (NodeSettings(name="experiment", data=data),)
        self.site = RehearsalSite(str(folder.resolve() / "registry"), nodes, folder.resolve() / "work")
        lay_out(self.site, tasks, foundation, image_size, architecture)

    @cached_property
    def registry(self) -> Registry:
        """All versions that the rounds made."""
        return open_registry(self.site.url)

    def run(self, *settings: RoundSettings, workers: int = 1) -> list[Report]:
        """Run rounds to their ends, and read their results in the same order.

        Raises:
            Refusal: settings or data that cannot be used, work that cannot be done.
        """
        return [self.report(round) for round in rehearse_all(settings, self.site, workers)]

    def report(self, round: Round) -> Report:
        """The table of a round from what the registry knows now."""
        return result(self.registry, self.registry.rounds.round(round.id))
