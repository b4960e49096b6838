"""The benchmark `emoji`: a PACS of its own from packages; three styles train, the others are held out together."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path

from coordinator.benchmark.suite import Suite, Wishes, rounds
from ratatouille.cli.progress import counting
from ratatouille.errors import Refusal
from ratatouille.processes.pools import process_pool
from ratatouille.recipes.recipe import PAPER
from ratatouille.tasks.emoji import PYPI_STYLES, SOURCES, STYLES, TARGET, emoji_tasks, write_emoji
from ratatouille.tasks.node import NodeData, NodeSettings

TRAINING = {True: ("noto", "twemoji", "fluent"), False: ("openmoji", "openmoji-line", "twemoji")}
"""Styles that train, with the packages of npm and without; all others are held out."""
NPM_STYLES = tuple(style for style, source in SOURCES.items() if not source.module)
FOUNDATION, IMAGE_SIZE, TRIALS = "efficientnet-lite0", 64, 5


def suite(folder: Path, wishes: Wishes, node_modules: Path | None) -> Suite:
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
    training = TRAINING[bool(packages)]
    held_out = tuple(style for style in styles if style not in training)
    tasks = emoji_tasks(styles)
    places = _draw(folder, tuple(tasks), styles, packages)
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
        image_size=IMAGE_SIZE,
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


def _draw(
    folder: Path, tasks: tuple[str, ...], styles: tuple[str, ...], packages: Mapping[str, Path]
) -> dict[str, Path]:
    places = {task: folder / "data" / task for task in tasks}
    with counting("drawing emoji, tasks") as progress, process_pool(2) as pool:
        drawn = [pool.submit(write_emoji, task, places[task], styles, packages=dict(packages)) for task in tasks]
        for done, future in enumerate(as_completed(drawn), 1):
            future.result()
            progress(done, len(tasks))
    return places
