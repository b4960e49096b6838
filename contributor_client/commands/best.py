"""`ratatouille best`: one command for two questions.

`--task` asks the registry what was counted of its versions; `--data` counts here, on images of one's own. The first
must start fast, so what the second needs is imported when it is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import click
import typer
from click.core import ParameterSource

from contributor_client.commands.own_data import (
    L2,
    Asked,
    Corrupt,
    Device,
    Group,
    Head,
    ImageSize,
    Map,
    best_of_own,
)
from ratatouille.cli.options import AsJson, Remote
from ratatouille.errors import Refusal
from ratatouille.exchange import assignment
from ratatouille.recipes.protocol import DOMAINBED
from registry.commands.ranking import rank

OWN = {"last", "map_", "head", "group", "corrupt", "image_size", "l2", "device"}
"""Options that are about one's own images."""
KNOWN = {"domain", "slice", "trial", "limit"}
"""Options that are about what was counted."""


def best(
    context: typer.Context,
    task: Annotated[str | None, typer.Option(help="Versions for this task.")] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Count on these images: class/*, domain/class/*, or a manifest.", metavar="FOLDER"),
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Only this domain (default: the mean over domains).")] = None,
    split: Annotated[
        Literal["all", "rest", "train", "validation", "test"] | None,
        typer.Option(help="Which images (default: test, or else all that were counted; of a folder all, or the rest)."),
    ] = None,
    metric: Annotated[
        Literal["accuracy", "balanced_accuracy"] | None, typer.Option(help="What counts (default: as the task says).")
    ] = None,
    slice: Annotated[assignment.Slice, typer.Option(help="Which groups of images.")] = "all",
    trial: Annotated[int, typer.Option(min=0, help="Whose split of the images; 0 is the one for life.")] = 0,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many versions.")] = 10,
    last: Annotated[int, typer.Option(min=1, max=1000, help="With --data: how many of the newest versions.")] = 10,
    map_: Map = None,
    head: Head = "auto",
    group: Group = "file",
    corrupt: Corrupt = "refuse",
    image_size: ImageSize = None,
    l2: L2 = DOMAINBED.probe_l2,
    device: Device = "auto",
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Rank versions by their evaluations, or on images of your own.

    With --task the registry ranks what was counted, all on the same domains. With --data the newest versions are
    counted here, all on the same images, so all use their own heads or, where one of them cannot, all a probed one;
    nothing is published.
    """
    if data is not None:
        _refuse(context, KNOWN, "ranks what was counted; with --data versions are counted here")
        asked = Asked(data, map_ or (), head, split, group, corrupt, image_size, l2, device)
        best_of_own(asked, last, task, metric, remote, as_json)
    elif task is None:
        raise Refusal("say what to rank: --task TASK for what was counted, or --data FOLDER for images of your own")
    else:
        _refuse(context, OWN, "is about images of your own; name them with --data")
        if split == "rest":
            raise Refusal("--split rest is about images of your own; what was counted has train, validation, test, all")
        rank(task, domain, split, metric, slice, trial, limit, remote, as_json)


def _refuse(context: click.Context, names: set[str], why: str) -> None:
    """Refuse options of the other question, rather than leave them without effect."""
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) == ParameterSource.COMMANDLINE:
            raise Refusal(f"{parameter.opts[0]} {why}")
