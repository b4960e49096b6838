"""Commands that run a registry: `registry serve` and `web`, `settings`, `usage` and `gc`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Home, NoWeb, Remote, WebPort
from ratatouille.errors import Refusal
from ratatouille.home import DEFAULT_PORT, DEFAULT_WEB_PORT, coordinator_folder, read_ports
from ratatouille.processes import refuse_taken_port, stop_on_signals
from ratatouille.wording import number_of
from registry.commands.opened import opened
from registry.records import Collected, Usage
from registry.storage_config import is_registry

_WEB_END_SECONDS = 10.0
SETTINGS = output.TableLayout(
    ("setting", "value", "default", "meaning"), drop=("default",), prose=("default", "meaning")
)
COLLECTED = output.TableLayout(
    ("version", "when (UTC)", "made by", "task", "round"), drop=("task", "when (UTC)", "round")
)
MOST_SHOWN = 20
"""Versions that are named one by one; `--json` has more."""


def serve(
    folder: Home = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help=f"Port to listen on; 0 takes a free one (default: the coordinator's, at first {DEFAULT_PORT}).",
        ),
    ] = None,
    web_port: WebPort = DEFAULT_WEB_PORT,
    no_web: NoWeb = False,
    log_format: output.LogFormat = None,
) -> None:
    """Serve a registry without a coordinator.

    It runs until Ctrl-C, on loopback, without encryption, and shows the history as a web page beside it. Without
    --folder it is the registry of this machine's coordinator.
    """
    from registry.server import serve as serve_folder

    output.say_what_happens()
    port = read_ports(coordinator_folder()).registry if port is None else port
    if port:
        refuse_taken_port(port, "the registry", "--port")  # before the folder becomes a registry
    place = folder or coordinator_folder() / "registry"
    serve_folder(place, port, ready=output.print_line, web=None if no_web else web_port)


def web(remote: Remote = None, web_port: WebPort = DEFAULT_WEB_PORT) -> None:
    """Show a registry's history as a web page.

    It runs until Ctrl-C, for browsers on this machine only, and changes nothing. `registry serve` and `coordinator up`
    show the same page of their own registry.
    """
    stop = stop_on_signals(_WEB_END_SECONDS)
    from registry.web import MISSING, can_open_page, open_page

    if not can_open_page():
        raise Refusal(MISSING)
    output.say_what_happens()
    with opened(remote) as registry:
        registry.info()  # a registry that does not answer is reported now, not on a page
        page = open_page(registry, web_port)
        output.print_line(page.sentence)
        stop.wait()
        page.stop()


def settings(
    name: Annotated[str | None, typer.Argument(help="The setting to change.", metavar="[NAME]")] = None,
    value: Annotated[str | None, typer.Argument(help="What it becomes.", metavar="[VALUE]")] = None,
    default: Annotated[bool, typer.Option("--default", help="Return the setting to its default.")] = False,
    folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what a registry allows, or change it; a running service follows at once.

    Only a user who has the registry's folder can change a value: it cannot be done over the network.
    """
    from registry.services.local import LocalRegistry
    from registry.settings import FIXED, Settings

    if (name is None and default) or (name is not None and (value is None) != default):
        raise Refusal("to change a setting, give its name and either its new value or --default")
    place = folder or coordinator_folder() / "registry"
    if not is_registry(place):
        raise Refusal(f"there is no registry in '{place}'; name its folder with --folder")
    with closing(LocalRegistry(Path(place))) as registry:
        if name is not None:
            if name in FIXED:
                raise Refusal(
                    "the id is made once, and the other addresses and keys are set by the coordinator while it is up"
                )
            registry.maintenance.configure(name, None if value is None else _value(name, value))
        now = output.plain(registry.maintenance.settings())
    if as_json:
        output.print_json(now)
        return
    rows = [
        (key, str(now[key]), "" if now[key] == field.default else str(field.default), field.description or "")
        for key, field in Settings.model_fields.items()
        if key not in FIXED and name in (None, key)
    ]
    output.print_table(SETTINGS, rows)


def _value(name: str, text: str) -> str | int | float:
    """The value that a text means: one of some words for a setting that takes words, and a number for the others."""
    from registry.settings import WORDS, Settings

    if name in WORDS or name not in Settings.model_fields:  # the registry names the settings that there are
        return text
    try:
        number = json.loads(text)
    except (ValueError, RecursionError):
        number = None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise Refusal(f"{text[:40]!r} is no number; sizes are in bytes, times in seconds")
    return number


def usage(remote: Remote = None, as_json: AsJson = False) -> None:
    """Show what a registry holds, and how much room it has."""
    with opened(remote) as registry:
        found = registry.maintenance.usage()
    if as_json:
        output.print_json({**output.plain(found), "room": found.room})
        return
    output.print_table(output.PAIRS, _usage_rows(found))


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
    _show_collected(done)


def _usage_rows(found: Usage) -> list[tuple[str, str]]:
    kept = (
        "all rounds" if found.retention_rounds is None else f"the newest {number_of(found.retention_rounds, 'round')}"
    )
    rows = [
        ("versions", str(found.versions)),
        ("weights", f"{number_of(found.blobs, 'part')}, {_size(found.bytes)}"),
        (
            "removed by gc",
            f"{number_of(found.collected, 'part')}, {_size(found.collected_bytes)}" if found.collected else "",
        ),
        ("on their way in", _size(found.incoming_bytes) if found.incoming_bytes else ""),
        ("promised to these", _size(found.promised_bytes) if found.promised_bytes else ""),
        ("free on the disk", _size(found.free_bytes)),
        ("reserve", _size(found.reserve_bytes)),
        ("room for new weights", _size(found.room)),
        ("weights are kept of", f"{kept}, and whatever is released or tagged"),
    ]
    return [row for row in rows if row[1]]


def _show_collected(done: Collected) -> None:
    if done.keep_rounds is None:
        output.print_line(
            "all rounds keep their weights; `ratatouille registry settings retention_rounds 5` would keep those of 5"
        )
    if done.versions:
        rows = [
            (output.short(one.id), output.when(one.created), one.rule, one.task_name or "–", one.round or "–")
            for one in done.versions[:MOST_SHOWN]
        ]
        output.print_table(COLLECTED, rows)
        if done.versions_in_all > len(rows):
            output.print_line(f"… and {done.versions_in_all - len(rows)} more (--json)")
    versions = number_of(done.versions_in_all, "version")
    verb = "would go" if done.dry_run else "went"
    output.print_line(f"{number_of(done.blobs, 'part')} of {versions} {verb}: {_size(done.bytes)}")
    if done.stray:
        output.print_line(f"{number_of(done.stray, 'file')} that no version has {verb}: {_size(done.stray_bytes)}")
    if done.kept:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(done.kept.items()))
        output.print_line(f"versions that keep their weights: {reasons}")
    if done.unprovable:
        ids = ", ".join(output.short(id) for id in done.unprovable[:MOST_SHOWN])
        output.print_line(
            f"{number_of(len(done.unprovable), 'average stays', 'averages stay')} without all parents: `verify` cannot "
            f"compute such an average again, nor can `retract` without one of them: {ids}"
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
