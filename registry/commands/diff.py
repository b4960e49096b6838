"""`ratatouille diff`: two versions side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from registry.commands.lineage import label
from registry.commands.opened import opened
from registry.presentation.history import relation_sentence
from registry.records import CellDifference, Gap, Metric, PartDifference, TensorDifference

SENTENCE = output.TableLayout(("sentence",), prose=("sentence",), header=False)
EVALUATIONS = output.TableLayout(
    ("task", "domain", "split", "slice", "first", "second", "difference", "[95 %]", "images", "how"),
    drop=("how", "images", "task", "slice", "first", "second"),
)
TENSORS = output.TableLayout(
    ("tensor", "distance", "largest change", "% changed", "elements", ""),
    drop=("elements", "% changed", "largest change"),
)
TOP = 10
"""Tensors that are shown of each part."""


def diff(
    first: Annotated[str, typer.Argument(help="A revision.", metavar="REV")],
    second: Annotated[str, typer.Argument(help="The revision to compare it with.", metavar="REV")],
    every: Annotated[bool, typer.Option("--all", help="Show every tensor, not only those that moved most.")] = False,
    metric: Annotated[Metric, typer.Option(help="What of the evaluations is compared.")] = "accuracy",
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions: their weights, tensor by tensor, and their evaluations.

    A distance is ‖second − first‖ / ‖first‖. Differences of evaluations are those of the second from the first, with
    their 95 % interval over images; it is narrower where a node compared the two image by image.
    """
    with opened(remote) as registry:
        found = registry.versions.diff(first, second)
    if as_json:
        output.print_json(found)
        return
    output.console.print(output.safe("first   ").append_text(label(found.first)), soft_wrap=True)
    output.console.print(output.safe("second  ").append_text(label(found.second)), soft_wrap=True)
    output.print_line(relation_sentence(found))
    for part in found.parts:
        _show_part(part, every)
    if found.evaluations:
        title = f"Evaluations ({metric.replace('_', ' ')} in percent)"
        output.print_table(EVALUATIONS, [_cell(row, metric) for row in found.evaluations], title=title)


def _show_part(part: PartDifference, every: bool) -> None:
    name = part.part.capitalize()
    if part.reason:
        output.print_table(SENTENCE, [(part.reason,)], title=name)
    elif part.same:
        output.print_table(SENTENCE, [(f"the same file, {part.elements} elements",)], title=name)
    else:
        tensors = sorted(part.tensors, key=lambda one: -_rank(one))
        shown = tensors if every else tensors[:TOP]
        whole = ("all", *_numbers(part), "")
        rows = [whole, *((one.name, *_numbers(one), "buffer" if one.buffer else "") for one in shown)]
        output.print_table(TENSORS, rows, title=name)
        if len(shown) < len(tensors):
            output.print_line(f"({len(tensors) - len(shown)} more, which moved less: --all)", "dim")


def _rank(tensor: TensorDifference) -> float:
    """Those that began at zero moved farthest."""
    return float("inf") if tensor.distance is None else tensor.distance


def _numbers(one: PartDifference | TensorDifference) -> tuple[str, ...]:
    distance = "from zero" if one.distance is None else f"{one.distance:.3g}"
    return distance, f"{one.largest:.3g}", f"{100 * one.changed:.3g}", str(one.elements)


def _cell(row: CellDifference, metric: str) -> tuple[str, ...]:
    gap: Gap = getattr(row, metric)
    one, two = row.images
    return (
        row.task if row.trial == 0 else f"{row.task} (trial {row.trial})",
        row.domain or "mean of these",
        row.split,
        row.slice,
        output.percent(gap.first),
        output.percent(gap.second),
        _signed(gap.difference),
        "" if gap.low is None else f"[{_signed(gap.low)}, {_signed(gap.high)}]",
        str(one) if one == two else f"{one}, {two}",
        "; ".join(_how(row, metric, gap)),
    )


def _how(row: CellDifference, metric: str, gap: Gap) -> Iterator[str]:
    """The images that the interval is of, and whether it is paired."""
    if gap.low is None:
        return
    yield "same images" if row.same_images else "other images"
    if row.paired and metric == "accuracy":
        yield "paired"


def _signed(share: float | None) -> str:
    return "" if share is None else f"{100 * share:+.1f}".replace("-", "−")
