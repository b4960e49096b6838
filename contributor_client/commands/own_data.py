"""`ratatouille evaluate` and `ratatouille best`: how versions do, on images of one's own or as nodes have counted.

`best` answers two questions. `--task` asks the registry what was counted of its versions; `--data` counts here, on
images that stay here. The first must start fast, so what the second needs is imported when it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import click
import typer
from click.core import ParameterSource

from ratatouille.cli.output import (
    AsJson,
    Remote,
    TableLayout,
    counting,
    percent,
    plain,
    print_json,
    print_line,
    print_table,
    short,
)
from ratatouille.errors import Refusal
from ratatouille.exchange import assignment
from ratatouille.folders import make_private
from ratatouille.home import home
from ratatouille.recipes.protocol import DOMAINBED
from ratatouille.wording import number_of
from registry.commands.evaluations import ask_nodes, rank
from registry.commands.opened import opened

if TYPE_CHECKING:
    from contributor_client.own_data import OwnRanking, Scored, Scoring


Data = Annotated[
    Path | None, typer.Option("--data", help="Folder class/* or domain/class/*, or a CSV manifest.", metavar="FOLDER")
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="A label of the folder and the task's class that it is; LABEL=- leaves it out (repeat it for more).",
        metavar="LABEL=CLASS",
    ),
]
Head = Annotated[
    Literal["auto", "own", "probed"],
    typer.Option(help="A version's own head, or one that is probed here; auto: its own where it fits."),
]
OwnSplit = Literal["all", "rest", "train", "validation", "test"] | None
Split = Annotated[
    OwnSplit,
    typer.Option(
        help="Which images are counted (default: all; with a probed head the rest, which it was not fitted on)."
    ),
]
Group = Annotated[str, typer.Option(help="What the split may not tear apart: as in node.toml.")]
Corrupt = Annotated[Literal["refuse", "skip"], typer.Option(help="What to do about images that cannot be read.")]
ImageSize = Annotated[
    int | None, typer.Option(min=8, max=1024, help="Pixels of a side (default: as the version was trained).")
]
L2 = Annotated[float, typer.Option(min=1e-9, help="How strongly a probed head is regularised.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")]

COLUMNS = ("version", "made by", "task", "head", "domain", "accuracy", "±", "balanced", "±", "images")
DROPPED = ("images", "balanced", "±", "task", "made by", "head")
"""Columns that a narrow terminal goes without, in this order."""
OWN = {"last", "map_", "head", "group", "corrupt", "image_size", "l2", "device"}
"""Options that are about one's own images."""
KNOWN = {"domain", "slice", "trial", "limit"}
"""Options that are about what was counted."""


@contextmanager
def _scoring(
    data: Path,
    labels: Sequence[str] | None,
    group: str,
    corrupt: Literal["refuse", "skip"],
    remote: str | None,
    as_json: bool,
    **how: Any,
) -> Iterator[Scoring]:
    """What counts on a folder, with the registry open until the block ends; `how` are fields of `Scoring`."""
    # imported first, so that the lack of torch is reported before anything else
    from contributor_client.own_data import Scoring, silent
    from ratatouille.tasks.kept import OWN_DATA, forget_old, make_own
    from ratatouille.tasks.own import look_at

    with opened(remote) as registry:
        folder = look_at(data, _labels(labels or ()), group, corrupt)
        cache = home() / "own-data"
        make_private(home())
        make_own(cache, OWN_DATA)
        forget_old(cache, OWN_DATA)
        yield Scoring(registry, folder, cache, counting=silent if as_json else counting, **how)


def evaluate(
    revisions: Annotated[list[str], typer.Argument(help="Ids, beginnings of ids, or aliases.", metavar="REV...")],
    data: Data = None,
    by_nodes: Annotated[
        bool, typer.Option("--by-nodes", help="Ask the nodes that hold the versions' task, and publish the counts.")
    ] = False,
    map_: Map = None,
    head: Head = "auto",
    split: Split = None,
    group: Group = "file",
    corrupt: Corrupt = "refuse",
    image_size: ImageSize = None,
    l2: L2 = DOMAINBED.probe_l2,
    device: Device = "auto",
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Score versions on images of your own, which stay here.

    Nothing is published, unless with --by-nodes: then nodes count, and the history keeps the counts. A version's own
    head is used where the folder has no other classes than the version's task;
    otherwise a head is probed on a part of the folder, and the rest is counted.
    """
    if by_nodes == (data is not None):
        raise Refusal("say where to count: --data FOLDER for images of your own, or --by-nodes")
    if data is None:
        if split == "rest":
            raise Refusal("nodes count a split: --split test, validation, train or all")
        with opened(remote) as registry:
            ask_nodes(registry, revisions, image_size, split or "test", as_json)
        return
    how = {"head": head, "part": split, "image_size": image_size, "l2": l2, "device": device}
    with _scoring(data, map_, group, corrupt, remote, as_json, **how) as scoring:
        scored = scoring.each(revisions)
    if as_json:
        print_json({"versions": scored, "notes": list(scoring.notes)})
        return
    print_table(TableLayout(COLUMNS, DROPPED), [row for one in scored for row in _rows(one)])
    _say(_heads(scored), scoring.notes)


def _show_ranked(ranked: OwnRanking, notes: Iterable[str], as_json: bool) -> None:
    if as_json:
        print_json({**plain(ranked), "notes": list(notes)})
        return
    behind = ["", *(f"{percent(one.value)} [{percent(one.low)}, {percent(one.high)}]" for one in ranked.behind)]
    rows = [(*_rows(one)[0], gap) for one, gap in zip(ranked.versions, behind, strict=True)]
    print_table(TableLayout((*COLUMNS, "behind the best [95 %]"), DROPPED), rows)
    print_line(ranked.sentence)
    _say(_heads(ranked.versions), notes)


def _labels(mapped: Sequence[str]) -> dict[str, str]:
    labels = {}
    for one in mapped:
        label, sign, name = one.rpartition("=")
        if not (label and sign and name):
            raise Refusal(f"--map takes LABEL=CLASS, or LABEL=- to leave a label out; '{one}' is neither")
        labels[label] = name
    return labels


def _rows(scored: Scored) -> list[tuple[str, ...]]:
    """A row for all images, then one for each domain, if there are several."""
    rows: list[tuple[str, ...]] = []
    for number, one in enumerate(scored.scores):
        first = (short(scored.version), scored.rule, scored.task or "–", scored.head)
        rows.append(
            (
                *(first if number == 0 else ("", "", "", "")),
                one.domain or "all",
                percent(one.accuracy.value),
                percent(one.accuracy.margin),
                percent(one.balanced_accuracy.value),
                percent(one.balanced_accuracy.margin),
                str(one.images),
            )
        )
    return rows


def _heads(scored: Iterable[Scored]) -> list[str]:
    """Which heads were probed, why, and on how much."""
    reasons: dict[tuple[str, int], list[str]] = {}
    for one in scored:
        if one.head == "probed":
            reasons.setdefault((one.reason, one.fitted), []).append(short(one.version))
    return [
        f"probed on {number_of(fitted, 'other image')} of the folder: a head for {', '.join(versions)} ({reason})"
        for (reason, fitted), versions in reasons.items()
    ]


def _say(heads: Sequence[str], notes: Iterable[str]) -> None:
    for line in (*heads, *(f"note: {note}" for note in notes), "Counted here; nothing was sent to the registry."):
        print_line(line)


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
        how = {"head": head, "part": split, "image_size": image_size, "l2": l2, "device": device}
        with _scoring(data, map_, group, corrupt, remote, as_json, **how) as scoring:
            ranked = scoring.best(last, task, metric)
        _show_ranked(ranked, scoring.notes, as_json)
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
