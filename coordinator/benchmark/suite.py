"""A benchmark's suite: data, a foundation, and one round for each trial, held-out domain and setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coordinator.settings import RoundSettings
from ratatouille.recipes.columns import STARTS
from ratatouille.recipes.recipe import recipe_named
from ratatouille.tasks.node import NodeSettings
from ratatouille.tasks.task import Task


@dataclass(frozen=True)
class Planned:
    """One round of a benchmark."""

    setting: str
    trial: int
    settings: RoundSettings


@dataclass(frozen=True)
class Suite:
    """A benchmark that is ready to run."""

    name: str
    nodes: tuple[NodeSettings, ...]
    """Who holds what; worker processes stand in for them."""
    tasks: tuple[Task, ...]
    foundation: str
    """What `ratatouille foundation` takes."""
    architecture: str | None
    """timm's name, where the foundation does not say it."""
    image_size: int
    rounds: tuple[Planned, ...]
    about: str
    """A few sentences for the report: the data, and what is held out."""
    starts: tuple[str, ...] = ()
    """Revisions of auxiliary versions that another registry has; every round starts from them too."""


@dataclass(frozen=True)
class Wishes:
    """What people may choose for any suite."""

    trials: int | None
    """None: the suite's own number."""
    recipes: tuple[str, ...]
    protocol: dict[str, Any]
    """`name`, and single values to replace."""


ON_ONE_MACHINE = {"admission": "off", "counting": "own"}
"""Values of rounds in which one machine holds all data: nobody else could count, and nobody has to be kept out."""


def rounds(
    name: str,
    target: str,
    held_out: Sequence[tuple[str, ...]],
    settings: Sequence[str],
    wishes: Wishes,
    trials: int,
    slices: tuple[str, ...] = (),
    auxiliaries: Sequence[str] | str = "all",
    foundation: str = "foundation",
) -> tuple[Planned, ...]:
    """One round for each trial, held-out domains and setting; a whole trial comes before the next one.

    In a second setting only the recipes that use auxiliary tasks are run: the others would be the same.
    """
    pooling = tuple(one for one in wishes.recipes if STARTS[recipe_named(one).starts].auxiliaries)
    planned = []
    for trial in range(wishes.trials or trials):
        for number, setting in enumerate(settings):
            for domains in held_out:
                recipes = wishes.recipes if number == 0 else pooling
                if not recipes:
                    continue
                values = {
                    "name": "-".join((name, *domains[:1], setting, str(trial)))[:80],
                    "target": target,
                    "held_out": domains,
                    "auxiliaries": auxiliaries if isinstance(auxiliaries, str) else tuple(auxiliaries),
                    "auxiliary_domains": setting,
                    "recipes": recipes,
                    "foundation": foundation,
                    "protocol": wishes.protocol,
                    "trial": trial,
                    "slices": slices,
                    **ON_ONE_MACHINE,
                }
                label = setting if len(settings) > 1 else ""
                planned.append(Planned(label, trial, RoundSettings.model_validate(values)))
    return tuple(planned)
