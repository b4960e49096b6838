"""`ratatouille withdraw`: contributors take back what they gave, for good: the questions are closed for their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, PublicName, Remote
from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.home import home, public_name, remote_in_force
from ratatouille.outbox import outbox_of
from registry.commands.opened import folder_of, opened
from registry.commands.release import DryRun, Why, plain_retraction, show_retraction
from registry.lists import every
from registry.maintainer import Maintainer, contributor_of
from registry.opening import open_registry
from registry.presentation.member import WORK
from registry.records import Retraction, Submission
from registry.services.registry import Registry

GIVEN = output.TableLayout(
    ("when (UTC)", "kind", "task", "version", "receipt", "state"), drop=("when (UTC)", "task", "version")
)
SHORTEST = 4
"""Characters of the beginning of an id."""
TAKEN = ("admitted", "duplicate", "retracted")
"""States of contributions that the registry took."""


def withdraw(
    contribution: Annotated[
        str | None,
        typer.Argument(help="A version, or the beginning of a receipt or question.", metavar="[CONTRIBUTION]"),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that this machine's keys gave.")] = False,
    task: Annotated[str | None, typer.Option("--task", help="All that they gave for a task.", metavar="NAME")] = None,
    reopen: Annotated[
        bool, typer.Option("--reopen", help="Open closed questions again, so that they may be answered anew.")
    ] = False,
    message: Why = "",
    dry_run: DryRun = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="The node's folder; by default all nodes of this machine.")
    ] = None,
    who: PublicName = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Take back what a node of this machine contributed.

    It is signed with the key that signed the contribution, or another key of the same member, so only its owner can do
    this. What follows is the same as for `retract`, and the question is closed for that key: it is not asked again
    until --reopen. Counts, which make no version, are named by their receipt or question; without an argument it lists
    what this machine gave.
    """
    if (contribution is not None) + everything + (task is not None) > 1:
        raise Refusal("say one of these: a contribution, --all, or --task NAME")
    public_name(None, who)  # a name that cannot be used is said first
    signers = own_signers(folder)
    with opened(remote) as registry, ExitStack() as stack:
        makers = {
            node: Maintainer(_logged(stack, registry, remote, one), one, public_name(node, who).value)
            for node, one in signers.items()
        }
        given = list(every(lambda last: registry.work.submissions(list(signers), last.receipt if last else None)))
        if contribution is None and not everything and task is None:
            _list([one for one in given if one.closed or not reopen], as_json)
            return
        chosen = _chosen(registry, given, contribution, task, folder)
        if reopen:
            closed = [one for one in chosen if one.closed and one.node in makers]
            _reopen(makers, closed, message, dry_run, as_json)
            return
        wanted = [one for one in chosen if one.state in TAKEN]
        if contribution is None:
            wanted = [one for one in wanted if not (one.closed and one.state == "retracted")]
        if wanted and not message.strip():
            raise Refusal("say why with -m: those who built on this will ask")
        done = [(one, _take_back(_maker(makers, one), one, message, dry_run)) for one in wanted]
        offered = _still_offered(registry, wanted)
    _say(done, offered, contribution is not None, dry_run, as_json)


def _maker(makers: Mapping[str, Maintainer], one: Submission) -> Maintainer:
    """The person who takes a contribution back, with the key that gave it, or another of the same member."""
    return makers.get(one.node) or next(maker for maker in makers.values() if one.node in maker.keys)


def own_signers(folder: Path | None) -> dict[str, Signer]:
    """The keys of this machine by their public halves."""
    patterns = ("nodes/*/key", "key", "rehearsal/*/key") if folder is None else ("key",)
    keys = [path for pattern in patterns for path in sorted((folder or home()).glob(pattern))]
    return {signer.node: signer for signer in map(Signer.open, keys)}


def _logged(stack: ExitStack, registry: Registry, remote: str | None, signer: Signer) -> Registry:
    """The registry for changes by this key: what a node's key signs is in the log of what left that node."""
    address = remote_in_force(remote).value
    place = signer.file.parent if signer.file else home()
    if place == home() or folder_of(address) is not None:
        return registry
    return stack.enter_context(closing(open_registry(address, outbox=outbox_of(place, address))))


def _chosen(
    registry: Registry, given: Sequence[Submission], contribution: str | None, task: str | None, folder: Path | None
) -> list[Submission]:
    """The contributions that the arguments name, of all that were given.

    Raises:
        Refusal: for an unknown task or contribution, or one that another key signed.
    """
    if task is not None:
        digest = registry.definitions.task(task).digest
        return [one for one in given if one.task == digest]
    if contribution is None:
        return list(given)
    named = [one for one in given if _is_named(one, contribution)]
    if len({one.work_id for one in named}) > 1:
        raise Refusal(f"{contribution} is the beginning of several contributions; type more of it")
    if named:
        return named
    entry = registry.versions.show(contribution).entry
    mine = [one for one in given if one.version == entry.id]
    if not mine:
        where = f"in {folder}" if folder else f"below {home()}"
        raise Refusal(
            f"the key {contributor_of(entry)[:12]}… that signed this contribution is not {where}; name the node's "
            "folder with --folder, or ask a maintainer to retract it"
        )
    return mine


def _is_named(one: Submission, beginning: str) -> bool:
    ids = (one.receipt, one.work_id, one.version or "")
    return len(beginning) >= SHORTEST and any(id.startswith(beginning) for id in ids)


def _take_back(maintainer: Maintainer, one: Submission, message: str, dry_run: bool) -> Retraction | None:
    """Close the question first, so that it is not asked again in between; then take back what answered it."""
    if not dry_run:
        maintainer.close_question(one.work_id, message)
    if one.version is not None:
        return maintainer.withdraw(one.version, message, dry_run)
    if one.state == "admitted" and not dry_run:
        maintainer.retract_counts(one.receipt, message)
    return None


def _reopen(
    makers: Mapping[str, Maintainer],
    closed: Sequence[Submission],
    message: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    questions = {(one.work_id, one.node): one for one in closed}
    for question, node in questions if not dry_run else ():
        makers[node].reopen_question(question, message)
    if as_json:
        output.print_json({"reopened": [question for question, _ in questions], "dry_run": dry_run})
    elif not questions:
        output.print_line("none of these questions is closed")
    for one in questions.values() if not as_json else ():
        verb = "would be" if dry_run else "is"
        output.print_line(f"question {output.short(one.work_id)} ({_what(one)}) {verb} open again for this key")


def _still_offered(registry: Registry, wanted: Sequence[Submission]) -> list[dict[str, object]]:
    """The holdings of these tasks that the same keys offer now: rounds go on using them."""
    tasks = {(one.node, one.task) for one in wanted}
    return [
        {"node": offer.name, "key": offer.node, "task": holding.task_name, "images": holding.total()}
        for offer in registry.work.offers()
        for holding in offer.holdings
        if (offer.node, holding.task) in tasks
    ]


def _say(
    done: Sequence[tuple[Submission, Retraction | None]],
    offered: Sequence[dict[str, object]],
    named: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        _say_json(done, offered, named, dry_run)
        return
    if not done:
        output.print_line("there is nothing to withdraw")
        return
    for one, retraction in done:
        if retraction is not None:
            show_retraction(retraction, False)
        else:
            verb = "would be" if dry_run else "were"
            output.print_line(f"{_what(one)} {output.short(one.receipt)} {verb} withdrawn")
    if not dry_run:
        output.print_line("Closed for this key: it is not asked again, until `ratatouille withdraw --reopen` opens it.")
    for each in offered:
        output.print_line(
            f"Node {each['node']} still offers its data of task {each['task']} ({each['images']} images), and other "
            "questions may be asked of it. To stop that, take the task out of its node.toml and join again, or stop "
            "the node (Ctrl-C).",
            "yellow",
        )


def _say_json(
    done: Sequence[tuple[Submission, Retraction | None]],
    offered: Sequence[dict[str, object]],
    named: bool,
    dry_run: bool,
) -> None:
    """One version as `retract` says it; anything else as a list."""
    if named and len(done) == 1 and done[0][1] is not None:
        more = {"question": done[0][0].work_id, "closed": not dry_run, "still_offered": list(offered)}
        output.print_json({**plain_retraction(done[0][1]), **more})
        return
    withdrawn = [
        {
            "kind": one.kind,
            "receipt": one.receipt,
            "question": one.work_id,
            "closed": not dry_run,
            "version": one.version,
            "retraction": None if retraction is None else plain_retraction(retraction),
        }
        for one, retraction in done
    ]
    output.print_json({"withdrawn": withdrawn, "still_offered": list(offered), "dry_run": dry_run})


def _list(given: Sequence[Submission], as_json: bool) -> None:
    if as_json:
        output.print_json({"submissions": list(given)})
        return
    if not given:
        output.print_line("the keys of this machine gave nothing to this registry")
        return
    rows = [
        (
            output.when(one.created),
            one.kind,
            one.task_name or "–",
            output.short(one.version),
            output.short(one.receipt),
            one.state + (", closed" if one.closed else ""),
        )
        for one in given
    ]
    output.print_table(GIVEN, rows)


def _what(one: Submission) -> str:
    return WORK[one.kind] + (f" for {one.task_name}" if one.task_name else "")
