"""`ratatouille credit`: what each contributor and each contribution is worth in an average, by leave-one-out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.errors import Refusal
from ratatouille.wording import number_of
from registry.commands.log import Revision
from registry.commands.opened import opened
from registry.presentation.credit import credit_lines, sentences
from registry.presentation.lineage import trained_size
from registry.records import Credit, Obligation
from registry.services.registry import Registry

CONTRIBUTORS = output.TableLayout(
    ("place", "contributor", "points", "95 % interval", "drawn", "effect", "share %", "own points"),
    drop=("own points", "share %", "drawn", "95 % interval"),
    prose=("effect",),
)
CONTRIBUTIONS = output.TableLayout(
    ("version", "contributor", "points", "95 % interval", "drawn", "share %", "own points", "note"),
    drop=("own points", "share %", "drawn", "95 % interval"),
    prose=("note",),
)


class Of(StrEnum):
    """What is left out, one after the other."""

    CONTRIBUTORS = "contributors"
    CONTRIBUTIONS = "contributions"


def credit(
    revision: Revision,
    of: Annotated[Of, typer.Option("--of", help="One row for each contributor, or for each contribution.")] = (
        Of.CONTRIBUTORS
    ),
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask nodes to count what is missing; for maintainers.", show_default=False)
    ] = False,
    image_size: Annotated[
        int | None, typer.Option("--image-size", min=1, help="With --ask: pixels; by default as it was trained.")
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show what each contributor is worth in an average, counted with and without its part.

    The average of the others is made anew for each one. Nodes count it beside the whole on the same images. A value is
    not a part of a sum: values do not add up to the accuracy.
    """
    if image_size is not None and not ask:
        raise Refusal("--image-size says how nodes shall count; use it with --ask")
    with opened(remote) as registry:
        if ask:
            _ask(registry, revision, image_size, as_json)
            return
        found = registry.versions.credit(revision)
    if as_json:
        other = "contributions" if of is Of.CONTRIBUTORS else "contributors"
        output.print_json(found.model_copy(update={other: ()}))
    else:
        _show(found, of)


def _ask(registry: Registry, revision: str, image_size: int | None, as_json: bool) -> None:
    details = registry.versions.show(revision)
    size = image_size or trained_size(registry, details)
    if size is None:
        raise Refusal(f"nobody trained {revision} or what it comes from; say with --image-size how many pixels")
    owed = registry.work.owe_credit(details.entry.id, size)
    if as_json:
        output.print_json({"owed": owed})
        return
    for one in owed:
        output.print_line(one.order.label)
    output.print_line(_asked(registry, owed))


def _asked(registry: Registry, owed: list[Obligation]) -> str:
    if not owed:
        return "nothing is open: it was counted, or no node that is here holds images of its task to count on"
    where = "a coordinator orders from nodes as soon as these are free"
    if registry.info().fleet is None:
        where = "no coordinator is up yet; a rehearsed round works it off too"
    asked = number_of(len(owed), "comparison is", "comparisons are")
    return f"{asked} asked of nodes; {where}. `ratatouille credit` shows the values."


def _show(found: Credit, of: Of) -> None:
    if of is Of.CONTRIBUTORS:
        rows = found.contributors
        lines = [
            (one.places, one.who, one.value, one.interval, one.drawn, one.effect, output.percent(one.share), one.own)
            for one in credit_lines(rows)
        ]
        output.print_table(CONTRIBUTORS, lines)
    else:
        rows = found.contributions
        lines = [
            (
                output.short(row.versions[0]),
                one.who,
                one.value,
                one.interval,
                one.drawn,
                output.percent(one.share),
                one.own,
                one.effect,
            )
            for row, one in zip(rows, credit_lines(rows), strict=True)
        ]
        output.print_table(CONTRIBUTIONS, lines)
    for sentence in sentences(found, rows):
        output.print_line(sentence)
