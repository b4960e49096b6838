"""The history that the screenshots show: three rounds on emoji, each from what the one before released.

It is the demo's data, network and protocol, with fewer runs. What is there already is not done again.
"""

from __future__ import annotations

import os
from pathlib import Path

from coordinator.commands.demo import FOUNDATION, NODES, ROUND, TARGET, node_file, write_images
from coordinator.rehearsal import RehearsalSite, lay_out, rehearse
from coordinator.settings import RoundSettings
from ratatouille.exchange.signing import Signer
from ratatouille.tasks.emoji import emoji_tasks
from ratatouille.tasks.node import read_node_settings
from registry.maintainer import Maintainer
from registry.opening import open_registry
from registry.records import LogQuery
from registry.services.registry import Registry

ROUNDS = ("winter", "spring", "summer")
"""Each starts from what the one before released as `stable`, the first from the foundation."""
PROTOCOL = {**ROUND["protocol"], "runs": 4}
RECIPES = ("linear_probe", "vanilla", "soup", "ratatouille")


def make(folder: Path) -> Path:
    """Rehearse and release what is missing; returns the registry's folder."""
    place = folder / "registry"
    data = write_images(folder)
    nodes = tuple(read_node_settings(node_file(folder, name, data)) for name in NODES)
    site = RehearsalSite(str(place), nodes, folder / "rehearsal")
    tasks = emoji_tasks()
    lay_out(site, [tasks[name] for name in (TARGET, *ROUND["auxiliaries"])], FOUNDATION, PROTOCOL_SIZE)
    registry = open_registry(str(place))
    maintainer = Maintainer(registry, Signer.open(folder / "maintainer.key"), "maria")
    for number, name in enumerate(ROUNDS):
        _round(maintainer, site, name, first=number == 0)
    registry.close()
    return place


PROTOCOL_SIZE = 64


def _round(maintainer: Maintainer, site: RehearsalSite, name: str, first: bool) -> None:
    """One round, and its release."""
    tag = f"{name}-2026"
    if any(one.name == tag for one in maintainer.registry.releases.tags()):
        return
    settings = RoundSettings.model_validate(
        ROUND
        | {
            "name": name,
            "foundation": "foundation" if first else "stable",
            "recipes": RECIPES,
            "protocol": PROTOCOL,
        }
    )
    round = rehearse(settings, site, workers=os.cpu_count() or 1)
    final = _made(maintainer.registry, round.id)
    maintainer.release(final, "latest", f"the {name} round's ratatouille")
    maintainer.release(final, "stable", f"the {name} round, checked on the held-out style")
    maintainer.tag(final, tag)


def _made(registry: Registry, round: str) -> str:
    """The version that the round's recipe `ratatouille` ended with: its last uniform average."""
    return next(
        entry.id
        for entry in registry.versions.log(LogQuery(kind="combine", round=round), limit=100)
        if entry.version.rule.purpose == "uniform"
    )
