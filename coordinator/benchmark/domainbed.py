"""The benchmark `domainbed`: every domain of a data set held out in turn, the other data sets as auxiliary tasks.

Steps, evaluations and SWAD's ratio are the reference's for each target (docs/method.md §2). Auxiliary runs see all
domains of their data set, as in the paper: two data sets may have domains of one name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from coordinator.benchmark.suite import Planned, Suite, Wishes, rounds
from ratatouille.errors import Refusal
from ratatouille.recipes.recipe import PAPER
from ratatouille.tasks.domainbed import DATA_SETS, DataSet, data_set_named, prepare
from ratatouille.tasks.node import NodeSettings, read_node_settings
from ratatouille.tasks.task import load_task

FOUNDATION, IMAGE_SIZE, TRIALS = "timm:resnet50.tv_in1k", 224, 3

TARGET_VALUES: dict[str, dict[str, Any]] = {
    "vlcs": {"evaluate_every": 50, "auxiliary_evaluate_every": 100, "swad_ratio": 0.2},
    "domain-net": {"steps": 15001, "evaluate_every": 500, "auxiliary_evaluate_every": 100},
}
"""Where a target's values differ from the protocol's; not those of auxiliary runs, which all targets share."""


def suite(
    folder: Path,
    data_dir: Path,
    targets: Sequence[str],
    foundation: str | None,
    architecture: str | None,
    wishes: Wishes,
) -> Suite:
    """Find the data sets and lay out the rounds.

    Args:
        folder: the benchmark's folder; task and node files are written there.
        data_dir: the folder that holds the data sets' folders.
        targets: names of data sets; every other one that is there becomes an auxiliary task. None: all that are there.
        foundation: what `ratatouille foundation` takes; None: ResNet-50 with torchvision's first ImageNet weights.
        architecture: timm's name, where the foundation does not say it.
        wishes: trials, recipes, protocol.

    Raises:
        Refusal: a target that is not there, which folder was expected, and where people get it.
    """
    wished = [data_set_named(name) for name in targets]
    there = _there(data_dir, wished)
    if not there:
        expected = ", ".join(row.layouts[0].folder for row in DATA_SETS.values())
        raise Refusal(f"'{data_dir}' holds none of the data sets' folders ({expected}); name the folder that does")
    tasks, nodes = [], list[NodeSettings]()
    for row in there:
        found = prepare(row, data_dir, folder / "files", force=True)
        tasks.append(load_task(found.task))
        nodes.append(read_node_settings(found.node))
    wishes = replace(wishes, recipes=wishes.recipes or PAPER, protocol={"name": "domainbed"} | wishes.protocol)
    planned: list[Planned] = []
    for row in wished or there:
        protocol = {"name": wishes.protocol["name"]} | TARGET_VALUES.get(row.name, {}) | wishes.protocol
        auxiliaries = sorted(other.name for other in there if other is not row)
        held_out = [(domain,) for domain in row.domains]
        planned += rounds(
            "domainbed",
            row.name,
            held_out,
            ("lenient",),
            replace(wishes, protocol=protocol),
            TRIALS,
            auxiliaries=auxiliaries,
        )
    return Suite(
        name="domainbed",
        nodes=tuple(nodes),
        tasks=tuple(tasks),
        foundation=foundation or FOUNDATION,
        architecture=architecture,
        image_size=IMAGE_SIZE,
        rounds=tuple(planned),
        about=(
            f"DomainBed's protocol on {', '.join(row.title for row in wished or there)}: every domain is held out in "
            f"turn, and a trial's score is the mean over them. Auxiliary tasks: the other data sets that were there "
            f"({', '.join(row.title for row in there)}), each in all its domains. Differences from the reference: "
            "docs/method.md §6."
        ),
    )


def _there(data_dir: Path, wished: Sequence[DataSet]) -> list[DataSet]:
    """The data sets that lie in a folder; one that was wished for and is not there is refused."""
    from ratatouille.tasks.domainbed.finding import find

    there = []
    for row in DATA_SETS.values():
        try:
            find(row, data_dir.absolute())
        except Refusal:
            if row in wished:
                raise
        else:
            there.append(row)
    return there
