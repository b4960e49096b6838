"""`ratatouille review`: which contributions averages leave out, why, and what a maintainer decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.documents import Printed
from ratatouille.cli.output import AsJson, PublicName, Remote
from ratatouille.errors import Refusal
from ratatouille.exchange.change import ReviewState
from ratatouille.settings import advice
from registry.commands.log import Revision
from registry.commands.opened import opened
from registry.commands.release import Why, signing
from registry.presentation.reviews import evidence_text, review_sentence
from registry.records import ReviewRecord

STATES: dict[str, ReviewState | None] = {
    "quarantined": "quarantined",
    "rejected": "rejected",
    "admitted": "admitted",
    "all": None,
}
"""What --state takes, and what the registry is asked for."""
REVIEWS = output.TableLayout(
    ("version", "when (UTC)", "review", "by", "task", "contributor", "why"),
    drop=("when (UTC)", "task", "by", "contributor"),
    prose=("why",),
)
STEPS = output.TableLayout(
    ("when (UTC)", "review", "by", "why", "numbers"), drop=("when (UTC)", "by"), prose=("why", "numbers")
)


class ReviewList(Printed):
    """Reviews that stand, the latest first."""

    reviews: tuple[ReviewRecord, ...]
    next: int | None
    """`--before` this number goes on; None where the list has ended."""


def list_(
    state: Annotated[
        str, typer.Option("--state", help=f"Which reviews: {', '.join(STATES)}.", metavar="STATE")
    ] = "quarantined",
    task: Annotated[str | None, typer.Option(help="Only versions for this task.")] = None,
    before: Annotated[int | None, typer.Option(help="Go on from where the last list ended.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """List versions by what their review says, the latest first.

    A quarantined version waits for a maintainer: `ratatouille review show` has the numbers, and `review accept` or
    `review reject` decides. Versions of rounds without admission have no review.
    """
    if state not in STATES:
        raise Refusal(f"--state knows no '{state}'; {advice(state, STATES, 'states')}")
    with opened(remote) as registry:
        found = registry.review.reviews(STATES[state], task, before, limit)
    following = found[-1].number if len(found) == limit else None
    if as_json:
        output.print_json(ReviewList(reviews=tuple(found), next=following))
    elif not found:
        output.print_line(f"no version is {state}" if state != "all" else "no version was reviewed yet")
    else:
        output.print_table(REVIEWS, _rows(found))
    if following is not None and not as_json:
        output.print_line(f"(there may be more: --before {following} goes on)", "dim")


def show(revision: Revision, remote: Remote = None, as_json: AsJson = False) -> None:
    """Show the reviews of a version: who says what, why, and on which numbers."""
    with opened(remote) as registry:
        found = registry.review.find_review(revision)
    if as_json:
        output.print_json(found)
        return
    pairs = [
        ("version", found.version),
        ("review", review_sentence(found)),
        ("task", found.task_name or "–"),
        ("contributor", found.contributor or output.short(found.maker or "–")),
        *((name.replace("_", " "), str(value)) for name, value in found.evidence.items()),
    ]
    output.print_table(output.PAIRS, pairs)
    if len(found.history) > 1:
        rows = [
            (output.when(one.at), one.state, _who(one.by, one.author, one.node), one.reason, evidence_text(one))
            for one in found.history
        ]
        output.print_table(STEPS, rows, title="All reviews, the latest first")


def accept(
    revision: Revision, message: Why = "", who: PublicName = None, remote: Remote = None, as_json: AsJson = False
) -> None:
    """Let a version into averages, whatever a gate says.

    The decision is signed with the key of this machine and kept in the history. Rounds that are planned from now on
    take the version; an average that was made without it stays as it is.
    """
    _decide(revision, "admitted", message, who, remote, as_json)


def reject(
    revision: Revision, message: Why = "", who: PublicName = None, remote: Remote = None, as_json: AsJson = False
) -> None:
    """Keep a version out of averages for ever.

    The decision is signed and kept; `review accept` takes it back. An average that has the version already is not
    released any more. `ratatouille retract` takes a version back and makes its averages again without it.
    """
    _decide(revision, "rejected", message, who, remote, as_json)


def _decide(
    revision: str, state: ReviewState, message: str, who: str | None, remote: str | None, as_json: bool
) -> None:
    with opened(remote) as registry:
        found = signing(registry, who).review(revision, state, message)
    if as_json:
        output.print_json(found)
        return
    output.print_line(f"{output.short(found.version)} is {found.state} now, signed as {found.author}: {found.reason}")


def _rows(found: Sequence[ReviewRecord]) -> list[tuple[str, ...]]:
    return [
        (
            output.short(one.version),
            output.when(one.at)[:-3],
            one.state,
            _who(one.by, one.author, one.node),
            one.task_name or "–",
            one.contributor or output.short(one.maker or "–"),
            one.reason,
        )
        for one in found
    ]


def _who(by: str, author: str, node: str) -> str:
    return "the gate" if by == "gate" else author or output.short(node)
