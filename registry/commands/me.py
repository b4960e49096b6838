"""`ratatouille me`: what the keys of this machine gave, what became of it, and what they offer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.home import home, public_name
from registry.commands.opened import opened
from registry.commands.withdraw import own_signers
from registry.presentation.history import duration
from registry.presentation.member import WORK, names_of, why_not, work_lines
from registry.records import Member

KEYS = output.TableLayout(("key of", "name", "key", "state"), prose=("state",))
DONE = output.TableLayout(
    ("work", "task", "taken", "not taken", "took", "last (UTC)"), drop=("last (UTC)", "took", "not taken")
)
SHARES = output.TableLayout(("alias", "version", "share", "%", "of yours"), drop=("of yours", "%"))
REFUSED = output.TableLayout(
    ("when (UTC)", "work", "task", "receipt", "why"), drop=("when (UTC)", "receipt", "task"), prose=("why",)
)
OFFERED = output.TableLayout(("node", "task", "domains", "images", "note"), drop=("note",), prose=("domains",))


def me(
    folder: Annotated[
        Path | None, typer.Option("--folder", help="The node's folder; by default all nodes of this machine.")
    ] = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show what your nodes did, what is released of it, what was not taken and why, and what they offer.

    You are the keys of this machine: those of its nodes, and the one that signs what you push. The web page of a
    registry shows the same of any key.
    """
    signers = own_signers(folder)
    keys = list(signers)
    with opened(remote) as registry:
        found = registry.work.member(keys) if keys else Member(keys=())
    if as_json:
        output.print_json(found)
    elif not keys:
        output.print_line("there is no key here yet; `ratatouille node join node.toml` makes the key of a node")
    else:
        _show(found, [key for key, signer in signers.items() if signer.file == home() / "key"])


def _show(found: Member, devices: Sequence[str]) -> None:
    names = names_of(found)
    rows = [
        ("this machine", public_name(one.node).value, output.short(one.node), "signs what you decide and push")
        if one.node in devices
        else ("a node", names[one.node], output.short(one.node), "here" if one.here else "not here")
        for one in found.keys
    ]
    output.print_table(KEYS, rows)
    if not found.done:
        output.print_line("these keys gave nothing to this registry yet")
    else:
        lines = [
            (
                one.what,
                one.task or "–",
                str(one.taken),
                str(one.not_taken),
                duration(one.seconds),
                output.when(one.last),
            )
            for one in work_lines(found.done)
        ]
        output.print_table(DONE, lines, "Done")
    if found.released:
        shares = [
            (one.alias, output.short(one.version), one.exact or "–", output.percent(one.share), str(one.versions))
            for one in found.released
        ]
        output.print_table(SHARES, shares, "In releases")
    elif found.done:
        output.print_line("no release is made of this work yet")
    if found.more_aliases:
        output.print_line("there are more aliases than are looked at here; `ratatouille lineage` shows any version")
    if found.not_taken:
        refused = [
            (output.when(one.created), WORK[one.kind], one.task_name or "–", output.short(one.receipt), why_not(one))
            for one in found.not_taken
        ]
        output.print_table(REFUSED, refused, "Not taken, the latest first")
    if found.offered:
        offered = [
            (
                names[one.node],
                one.task_name,
                ", ".join(one.domains),
                str(one.images),
                "parked" if one.parked else "trains" if one.trains else "counts only",
            )
            for one in found.offered
        ]
        output.print_table(OFFERED, offered, "Offered now")
    else:
        output.print_line("nothing is offered now; `ratatouille node join node.toml` offers data")
