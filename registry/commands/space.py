"""Commands about room: `registry usage` shows it, `registry gc` makes some."""

from __future__ import annotations

from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from registry.commands.opened import opened
from registry.records import Collected, Usage

MOST_SHOWN = 20
"""Versions that are named one by one; `--json` has more."""


def usage(remote: Remote = None, as_json: AsJson = False) -> None:
    """Show what a registry holds, and how much room it has."""
    with opened(remote) as registry:
        found = registry.maintenance.usage()
    if as_json:
        output.print_json({**output.plain(found), "room": found.room})
        return
    output.print_table(("", ""), _usage_rows(found))


def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without this it only says what would go.")] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Remove the weights that the retention policy does not keep.

    Ids, receipts, counts and lineage of all versions stay. It also removes files that no version has. Without --apply
    nothing is removed.
    """
    with opened(remote) as registry:
        done = registry.maintenance.collect(dry_run=not apply)
    if as_json:
        output.print_json(done)
        return
    _show(done)


def _usage_rows(found: Usage) -> list[tuple[str, str]]:
    kept = "all rounds" if found.retention_rounds is None else f"the newest {found.retention_rounds} rounds"
    rows = [
        ("versions", str(found.versions)),
        ("weights", f"{found.blobs} parts, {_size(found.bytes)}"),
        ("removed by gc", f"{found.collected} parts, {_size(found.collected_bytes)}" if found.collected else ""),
        ("on their way in", _size(found.incoming_bytes) if found.incoming_bytes else ""),
        ("promised to these", _size(found.promised_bytes) if found.promised_bytes else ""),
        ("free on the disk", _size(found.free_bytes)),
        ("reserve", _size(found.reserve_bytes)),
        ("room for new weights", _size(found.room)),
        ("weights are kept of", f"{kept}, and whatever is released or tagged"),
    ]
    return [row for row in rows if row[1]]


def _show(done: Collected) -> None:
    if done.keep_rounds is None:
        output.print_line(
            "all rounds keep their weights; `ratatouille registry settings retention_rounds 5` would keep those of 5"
        )
    if done.versions:
        rows = [
            (output.short(one.id), output.when(one.created), one.rule, one.task_name or "–", one.round or "–")
            for one in done.versions[:MOST_SHOWN]
        ]
        output.print_table(("version", "when (UTC)", "made by", "task", "round"), rows)
        if done.versions_in_all > len(rows):
            output.print_line(f"… and {done.versions_in_all - len(rows)} more (--json)")
    verb = "would go" if done.dry_run else "went"
    output.print_line(f"{done.blobs} parts of {done.versions_in_all} versions {verb}: {_size(done.bytes)}")
    if done.stray:
        output.print_line(f"{done.stray} files that no version has {verb}: {_size(done.stray_bytes)}")
    if done.kept:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(done.kept.items()))
        output.print_line(f"versions that keep their weights: {reasons}")
    if done.unprovable:
        ids = ", ".join(output.short(id) for id in done.unprovable[:MOST_SHOWN])
        output.print_line(
            f"{len(done.unprovable)} averages stay whose parents do not: `verify` cannot make them again, nor can "
            f"`retract` without one of them: {ids}"
        )
    for one in done.names:
        output.print_line(f"among them {output.short(one.version)}, which {one.name} means")
    if done.dry_run and (done.blobs or done.stray):
        output.print_line("nothing was removed; `ratatouille registry gc --apply` does it")


def _size(count: int) -> str:
    """A number of bytes as people say it."""
    if count < 2**20:
        return f"{count / 2**10:.1f} KiB"
    return f"{count / 2**20:.1f} MiB" if count < 2**30 else f"{count / 2**30:.2f} GiB"
