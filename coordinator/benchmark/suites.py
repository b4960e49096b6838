"""The suites: `domainbed` and `emoji`, and one of one's own from a round.toml and node.toml files.

In `domainbed` every domain of a data set is held out in turn, and the other data sets are auxiliary tasks. Steps,
evaluations and SWAD's ratio are the reference's for each target (docs/method.md §2). Auxiliary runs see all domains of
their data set, as in the paper: two data sets may have domains of one name. `emoji` is a PACS of its own from packages:
three styles train, the others are held out together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from coordinator.benchmark.suite import Planned, Suite, Wishes, rounds
from coordinator.settings import read_round_settings
from ratatouille.cli.output import counting
from ratatouille.errors import Refusal
from ratatouille.processes.ending import process_pool
from ratatouille.recipes.protocol import resolve_protocol
from ratatouille.recipes.recipe import PAPER
from ratatouille.tasks.domainbed import DATA_SETS, DataSet, data_set_named, prepare
from ratatouille.tasks.emoji import PYPI_STYLES, SOURCES, STYLES, TARGET, emoji_tasks, write_emoji
from ratatouille.tasks.node import NodeData, NodeSettings, read_node_settings
from ratatouille.tasks.task import load_task

DOMAINBED_FOUNDATION, DOMAINBED_TRIALS = "timm:resnet50.tv_in1k", 3

TARGET_VALUES: dict[str, dict[str, Any]] = {
    "vlcs": {"evaluate_every": 50, "auxiliary_evaluate_every": 100, "swad_ratio": 0.2},
    "domain-net": {"steps": 15001, "evaluate_every": 500, "auxiliary_evaluate_every": 100},
}
"""Where a target's values differ from the protocol's; not those of auxiliary runs, which all targets share."""
TRAINING_STYLES = {True: ("noto", "twemoji", "fluent"), False: ("openmoji", "openmoji-line", "twemoji")}
"""Styles that train, with the packages of npm and without; all others are held out."""
NPM_STYLES = tuple(style for style, source in SOURCES.items() if not source.module)
FOUNDATION, TRIALS = "efficientnet-lite0", 5


def domainbed_suite(
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
            DOMAINBED_TRIALS,
            auxiliaries=auxiliaries,
        )
    return Suite(
        name="domainbed",
        nodes=tuple(nodes),
        tasks=tuple(tasks),
        foundation=foundation or DOMAINBED_FOUNDATION,
        architecture=architecture,
        image_size=224,
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
    from ratatouille.tasks.domainbed.files import find

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


def emoji_suite(folder: Path, wishes: Wishes, node_modules: Path | None) -> Suite:
    """Draw the images (once) and lay out the rounds.

    Args:
        folder: the benchmark's folder.
        wishes: trials, recipes, protocol.
        node_modules: where npm has put the packages of the styles `noto` and `fluent`; None: the four styles of PyPI.

    Raises:
        Refusal: packages that are not there.
    """
    wishes = replace(wishes, recipes=wishes.recipes or PAPER, protocol={"name": "emoji"} | wishes.protocol)
    packages = {} if node_modules is None else _packages(node_modules)
    styles = STYLES if packages else PYPI_STYLES
    training = TRAINING_STYLES[bool(packages)]
    held_out = tuple(style for style in styles if style not in training)
    tasks = emoji_tasks(styles)
    places = draw_emoji(folder, tuple(tasks), styles, packages)
    data = tuple(
        NodeData(task=name, path=places[name], domains={style: style for style in styles}, group="stem")
        for name in tasks
    )
    auxiliaries = sorted(name for name in tasks if name != TARGET)
    return Suite(
        name="emoji",
        nodes=(NodeSettings(name="emoji", data=data),),
        tasks=tuple(tasks.values()),
        foundation=FOUNDATION,
        architecture=None,
        image_size=64,
        rounds=rounds("emoji", TARGET, [held_out], ("strict", "lenient"), wishes, TRIALS, ("seen", "new"), auxiliaries),
        about=(
            f"Emoji of 14 classes in {len(styles)} drawing styles, which packages ship. Styles that train: "
            f"{', '.join(training)}; held out: {', '.join(held_out)}. Auxiliary tasks: {', '.join(auxiliaries)}; they "
            "have no emoji in common with the target. Strict: they are trained in the training styles only. Lenient: "
            "in all styles, as a community might have them. Emoji, not images, are split, so validation emoji are new "
            "ones; held-out images are counted on emoji whose other styles were trained on (seen) and on the others "
            "(new)."
        ),
    )


def _packages(node_modules: Path) -> dict[str, Path]:
    packages = {style: node_modules / SOURCES[style].package for style in NPM_STYLES}
    for style, place in packages.items():
        if not place.is_dir():
            raise Refusal(
                f"the style '{style}' needs '{place}', which is not there; run `npm install "
                f"{' '.join(SOURCES[style].package for style in NPM_STYLES)}` and name its node_modules"
            )
    return packages


def draw_emoji(
    folder: Path,
    tasks: Sequence[str],
    styles: Sequence[str] = PYPI_STYLES,
    packages: Mapping[str, Path] = MappingProxyType({}),
) -> dict[str, Path]:
    """Write emoji tasks as ordinary folders `domain/class/*.png`; returns the folder of each task."""
    places = {task: folder / "data" / task for task in tasks}
    with counting("drawing emoji, tasks") as progress, process_pool(2) as pool:
        drawn = [pool.submit(write_emoji, task, places[task], styles, packages=dict(packages)) for task in tasks]
        for done, future in enumerate(as_completed(drawn), 1):
            future.result()
            progress(done, len(tasks))
    return places


def own_suite(
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
