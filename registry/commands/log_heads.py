"""`registry head`, `accept-head` and `restored`, and the comparison of heads that commands which read make.

A command that reads shows what it read, says on standard error that the history was changed, and ends with code 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.errors import Refusal
from ratatouille.exchange.log_head import ExportedHead, LogHead, Witness
from ratatouille.exchange.signing import unseal
from ratatouille.folders import expanded, write_whole
from ratatouille.home import remote_in_force
from ratatouille.wording import number_of
from registry.commands.members import signer_of
from registry.commands.opened import opened
from registry.kept_heads import KeptHead, LogCheck, accept_log, check_log, is_beginning
from registry.records import WitnessRecord
from registry.services.registry import Registry

WITNESSES = output.TableLayout(("witness", "entries", "hash", "when (UTC)"), drop=("when (UTC)",))
MOST_WITNESSES = 20
LARGEST_FILE = 2**20


def checked(registry: Registry, remote: str | None) -> LogCheck:
    """Compare the present head with the one that this home keeps; raises as `check_log` does."""
    return check_log(registry, remote_in_force(remote).value)


@contextmanager
def reading(remote: str | None) -> Iterator[Registry]:
    """The registry in force, for a command that reads; its history is compared when the block has ended.

    Raises:
        Exit: with code 1, when the history is not the one that this home saw before.
    """
    with opened(remote) as registry:
        yield registry
        check = checked(registry, remote)
    if check.problem:
        output.warn(check.problem)
        raise typer.Exit(1)


def head(
    write: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the head with its witnesses to a file.", metavar="FILE")
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="Check that the history begins as this head says.", metavar="FILE")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option("--sign", help="The same, and sign that head as a witness.", metavar="FILE")
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show the head of a registry's log, compare it with another one, or sign it.

    It says how many entries the log has, and the hash over them, and is compared with the last one that this machine
    saw. Members pass heads to each other as files: --check finds out whether both see the same history, and --sign
    leaves a signature in the registry and in the file. The command ends with code 1 when the history is not the same.
    """
    if check is not None and sign is not None:
        raise Refusal("--sign checks too: leave --check out")
    file = check or sign
    exported = None if file is None else read_exported(expanded(file))
    with opened(remote) as registry:
        now = checked(registry, remote)
        if now.head is None or now.sealed is None:
            raise Refusal(now.problem or "this registry signs no heads of its log; it runs an earlier release")
        problem = now.problem or (_compare(registry, now.head, now.sealed.node, exported) if exported else "")
        if sign is not None and exported is not None and not problem:
            witness = signer_of(registry).witness(LogHead.from_json(exported.head.body))
            exported = exported.model_copy(update={"witnesses": (*exported.witnesses, witness)})
            write_whole(expanded(sign), [exported.to_json()])
        witnesses = registry.transparency.witnesses(limit=MOST_WITNESSES)
    if write is not None and not problem:
        own = [one.sealed for one in witnesses if (one.size, one.root) == (now.head.size, now.head.root)]
        write_whole(expanded(write), [ExportedHead(head=now.sealed, witnesses=tuple(own)).to_json()])
    if as_json:
        shown = {"problem": problem or None, "kept": now.kept, "witnesses": witnesses}
        output.print_json({**output.plain(now.head), "key": now.sealed.node, "sealed": now.sealed, **shown})
    else:
        _show(now.head, now.sealed.node, now.kept, witnesses)
        if exported is not None and not problem:
            _say_same(exported, signed=sign is not None)
    if problem:
        output.warn(problem)
        raise typer.Exit(1)


def accept_head(remote: Remote = None, as_json: AsJson = False) -> None:
    """Accept a history that does not follow the one that this machine saw.

    This is for a history that was set back knowingly, such as by restoring a backup. Ask the maintainers first: what
    was entered after the backup is not in the history any more. The former head is kept beside the new one.
    """
    with opened(remote) as registry:
        done = accept_log(registry, remote_in_force(remote).value)
    assert done.head is not None
    former = None if done.kept is None or done.kept.signed.root == done.head.root else done.kept.signed
    if as_json:
        output.print_json({**output.plain(done.head), "replaced": former})
        return
    if former is not None:
        output.print_line(f"before: {_words(former)}")
    output.print_line(f"accepted: {_words(done.head)}")


def restored(
    message: Annotated[str, typer.Option("--message", "-m", help="Why; readers are shown it.")],
    before: Annotated[
        Path | None,
        typer.Option("--before", help="The last head before, as `registry head --output` wrote it.", metavar="FILE"),
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """State that a registry was set back knowingly, such as by restoring a backup.

    Readers who saw a later history are warned in any case, and are shown this statement. Each decides by `registry
    accept-head`. Only an owner can state it.
    """
    known = None if before is None else LogHead.from_json(read_exported(expanded(before)).head.body)
    with opened(remote) as registry:
        signer_of(registry).state_rollback(known, message)
        done = accept_log(registry, remote_in_force(remote).value)
    assert done.head is not None
    if as_json:
        output.print_json({**output.plain(done.head), "replaced": known})
    else:
        output.print_line(f"stated; the log has {_words(done.head)}")


def read_exported(path: Path) -> ExportedHead:
    """A head from a file, with its witnesses; the signatures are checked.

    Raises:
        Refusal: for a file that cannot be read, or holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE)
    except OSError as error:
        raise Refusal(f"the file '{path}' with a head cannot be read: {error.strerror}") from error
    try:
        exported = ExportedHead.from_json(data)
        head = unseal(exported.head, LogHead)
        for witness in exported.witnesses:
            said = unseal(witness, Witness)
            if (said.registry, said.size, said.root) != (head.registry, head.size, head.root):
                raise Refusal(f"key {witness.node[:12]}… signed another head")
    except Refusal as refusal:
        raise Refusal(f"'{path}' holds no head of a log: {refusal}") from refusal
    return exported


def _compare(registry: Registry, head: LogHead, key: str, exported: ExportedHead) -> str:
    """Why an exported head and the present one are of two histories; empty where they are of one."""
    said = LogHead.from_json(exported.head.body)
    if said.registry != head.registry:
        raise Refusal(f"that head is of registry {said.registry[:8]}…, and this is {head.registry[:8]}…")
    if exported.head.node != key:
        return f"that head is signed by key {exported.head.node[:12]}…, and this log's by {key[:12]}…"
    if is_beginning(registry, said):
        return ""
    return (
        f"that head has {_words(said)}, and the history that you are shown ({_words(head)}) does not begin with it: "
        "it was changed or rolled back, or the registry shows two histories. Keep the file, and show it to the others"
    )


def _show(head: LogHead, key: str, kept: KeptHead | None, witnesses: list[WitnessRecord]) -> None:
    rows = [
        ("entries", str(head.size)),
        ("hash", head.root),
        ("signed", f"{output.when(head.at)} by key {output.short(key)}"),
        ("followed since", "now: the first that this machine sees" if kept is None else output.when(kept.since)),
    ]
    output.print_table(output.PAIRS, rows)
    if witnesses:
        lines = [
            (one.member or output.short(one.key), str(one.size), output.short(one.root), output.when(one.at))
            for one in witnesses
        ]
        output.print_table(WITNESSES, lines, "Witnesses")


def _say_same(exported: ExportedHead, signed: bool) -> None:
    said = LogHead.from_json(exported.head.body)
    by = f", which {number_of(len(exported.witnesses), 'member')} signed" if exported.witnesses else ""
    output.print_line(f"the history begins with that head: {_words(said)}{by}")
    if signed:
        output.print_line("you signed it: your signature is in the registry and in the file")


def _words(head: LogHead) -> str:
    return f"{number_of(head.size, 'entry', 'entries')}, hash {head.root[:12]}…"
