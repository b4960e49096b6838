"""`ratatouille log` and `ratatouille show`: versions, the latest first, and everything about one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError
from rich.text import Text

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.errors import Refusal
from ratatouille.home import home
from ratatouille.record import first_problem
from ratatouille.wording import enumerated
from registry.commands.graph import GraphGroup, GraphRow, draw, grouped
from registry.commands.log_heads import reading
from registry.moments import moment
from registry.presentation import history
from registry.presentation.kinds import recipe_text, score_text
from registry.presentation.scores import ClassLines, ScoreLine, class_lines, score_lines
from registry.records import Details, Entry, LogQuery
from registry.services.registry import Registry

MOST_SHOWN = 50
"""Rows of a table about one version; `--json` has all."""
RULES = ("import", "probe", "fine_tune", "combine")
Revision = Annotated[
    str, typer.Argument(help="An id, the beginning of one, an alias, or one of them with ~1.", metavar="REV")
]


def log(
    task: Annotated[str | None, typer.Option(help="Only versions for this task.")] = None,
    kind: Annotated[str | None, typer.Option(help=f"Only versions made by this rule: {', '.join(RULES)}.")] = None,
    contributor: Annotated[
        str | None, typer.Option(help="Only versions by this node: its name, or the beginning of its key.")
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only versions by this machine's person and nodes.")] = False,
    round: Annotated[str | None, typer.Option(help="Only versions of this round (name or id).")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only later ones: 2026-03-01, 2026-W09, a time, or 12h, 3d, 2w ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only earlier ones; a day or a week is included whole.")] = None,
    text: Annotated[str | None, typer.Option(help="Only versions with these words in their message or note.")] = None,
    state: Annotated[Literal["admitted", "retracted"] | None, typer.Option(help="Only versions in this state.")] = None,
    graph: Annotated[bool, typer.Option("--graph", help="Draw what was made from what.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many.")] = 50,
    before: Annotated[
        int | None, typer.Option(min=1, help="Only what comes after this number: the next page.", metavar="NUMBER")
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """List versions, the latest first.

    All filters that are given must fit. A recipe stands at the version in which a round's report says that it ended.
    A score is of held-out images, or of validation images (val), which chose among steps. With --graph, runs of one
    purpose are one line, and lines lead down to what a version was made from (○: to versions that are not listed).
    The history is compared with what this machine saw before; one that was changed is listed with a warning, and the
    command ends with code 1.
    """
    if kind is not None and kind not in RULES:
        raise Refusal(f"no version is made by '{kind}'; --kind takes {', '.join(RULES)}")
    begin, end = _between(since, until)
    query = _query(
        task=task,
        kind=kind,
        contributor=contributor,
        nodes=my_nodes() if mine else (),
        round=round,
        since=begin,
        until=end,
        text=text,
        state=state,
    )
    with reading(remote) as registry:
        entries = registry.versions.log(query, before, limit)
        if as_json:
            output.print_json({"versions": entries, "next": entries[-1].number if len(entries) == limit else None})
        else:
            _show_log(entries, _names(registry, entries), graph, limit)


def _show_log(entries: Sequence[Entry], names: Mapping[str, str], graph: bool, limit: int) -> None:
    if not entries:
        output.print_line("no version fits; `ratatouille log` without options lists all")
    elif graph:
        for row in draw(grouped(entries)):
            output.console.print(_graph_line(row, names), soft_wrap=True)
    else:
        output.print_table(history.LOG, history.log_rows(entries, names))
    if len(entries) == limit:
        output.print_line(f"(there may be more: --before {entries[-1].number} goes on)", "dim")


def _between(since: str | None, until: str | None) -> tuple[float | None, float | None]:
    """Both moments in seconds since 1970, None where nothing was said.

    Raises:
        Refusal: for words that are no moment, and for two between which nothing can lie.
    """
    now = datetime.now(UTC)
    begin = None if since is None else moment(since, now)
    end = None if until is None else moment(until, now, end=True)
    if begin is not None and end is not None and begin >= end:
        raise Refusal(f"no moment lies between --since {since} and --until {until}; exchange them, or leave one out")
    return begin, end


def _query(**fields: Any) -> LogQuery:
    try:
        return LogQuery.model_validate(fields)
    except ValidationError as error:
        raise Refusal(f"versions cannot be listed like this: {first_problem(error)}") from error


def _names(registry: Registry, entries: Sequence[Entry]) -> dict[str, str]:
    """Names of rounds by id; asked for only where a version has one."""
    return {one.id: one.name for one in registry.rounds.rounds()} if any(entry.round for entry in entries) else {}


def _graph_line(row: GraphRow, rounds: Mapping[str, str]) -> Text:
    """One line of the graph; sign and words have the colour of the version's kind."""
    line = output.safe(row.rails)
    if row.group is not None:
        style = history.kind_style(row.group.entries[0])
        line.highlight_words(["●", "○"], style)
        before, made, after = _words(row.group, rounds)
        line.append_text(output.safe(f"  {before}  "))
        line.append_text(output.safe(made, style)).append_text(output.safe(after))
    line.rstrip()
    return line


def _words(group: GraphGroup, rounds: Mapping[str, str]) -> tuple[str, str, str]:
    """The words beside one line of the graph: which, how made, and everything else."""
    first = group.entries[0]
    several = len(group.entries) > 1
    who = list(dict.fromkeys(history.contributor(entry) for entry in group.entries if entry.node))
    by = f"by {enumerated(who, 3)}" if who else ""
    words = [
        "" if several else recipe_text(first.recipes),
        first.task_name or "",
        by,
        f"round {rounds.get(first.round, first.round)}" if first.round else "",
        f"({enumerated(first.aliases, history.MOST)})" if first.aliases else "",
        "" if several or first.score is None else f"{score_text(first.score)} %",
    ]
    which = f"{len(group.entries)} ×" if several else output.short(first.id)
    return which, history.made_by(first), "".join(f"  {word}" for word in words if word)


def my_nodes() -> tuple[str, ...]:
    """The public keys of this machine, of its person first.

    Raises:
        Refusal: when there are none.
    """
    from ratatouille.exchange.signing import Signer

    keys = [path for path in (home() / "key", *sorted(home().glob("nodes/*/key"))) if path.is_file()]
    if not keys:
        raise Refusal(f"nobody has contributed from '{home()}' yet: there is no key in it or in its nodes")
    return tuple(dict.fromkeys(Signer.open(path).node for path in keys))


def show(
    revision: Revision,
    classes: Annotated[bool, typer.Option("--classes", help="Show how each class is recognised, too.")] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show everything about a version."""
    with reading(remote) as registry:
        details = registry.versions.show(revision)
        scores = score_lines(details.evaluations)
        recall = class_lines(details.evaluations, _task_classes(registry, details)) if classes else None
        if as_json:
            output.print_json(
                {**output.plain(details), "scores": scores, **({} if recall is None else {"classes": recall})}
            )
        else:
            _show_details(registry, details, scores, recall)


def _show_details(
    registry: Registry, details: Details, scores: Sequence[ScoreLine], recall: Sequence[ClassLines] | None
) -> None:
    architecture = registry.definitions.architecture(details.entry.version.architecture)
    parents = history.parent_rows(registry.versions.lineage(details.entry.id, depth=1))
    output.print_table(output.PAIRS, history.facts(details, architecture))
    if parents:
        output.print_table(history.PARENTS, parents, title="Parents", most=MOST_SHOWN)
    if details.receipt is not None:
        output.print_table(output.PAIRS, history.receipt_facts(details.receipt), title="Receipt")
        if curve := history.curve_rows(details.receipt):
            output.print_table(history.CURVE, curve, title="Curve")
    checks = [(check.what, check.detail) for check in details.admission]
    output.print_table(output.PAIRS, checks, title="Checked at admission")
    if scores:
        output.print_table(history.SCORES, history.score_rows(scores), "Evaluations (in percent)", MOST_SHOWN)
    for line in recall or ():
        output.print_table(*history.recall_table(line), title=history.recall_title(line))


def _task_classes(registry: Registry, details: Details) -> dict[str, tuple[str, ...]]:
    """The classes of each task that a version was counted on, by the task's name."""
    return {name: registry.definitions.task(name).classes for name in {one.task_name for one in details.evaluations}}
