"""Options and output of commands: tables, sentences and progress for people, one JSON document for scripts.

Progress is a bar with rate and time left on a terminal, and a line now and then elsewhere.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from ratatouille.cli.layout import PAIRS as PAIRS
from ratatouille.cli.layout import TableLayout as TableLayout
from ratatouille.cli.streams import Terminal, takes_all_signs
from ratatouille.printable import LOG_VARIABLE, formatter, printable_json
from ratatouille.printable import printable as printable

Remote = Annotated[
    str | None,
    typer.Option(
        "--remote", help="Registry: a name from `remote list`, grpcs://host:port, or a folder.", metavar="REMOTE"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document for scripts.")]
AsJsonLines = Annotated[bool, typer.Option("--json", help="Print JSON lines: one document on each line.")]
PublicName = Annotated[
    str | None,
    typer.Option("--name", help="How the history calls you (default: as `config name` says).", metavar="NAME"),
]
Home = Annotated[Path | None, typer.Option("--folder", help="Where its state is kept.")]
WebPort = Annotated[
    int, typer.Option("--web-port", min=0, max=65535, help="Port of the web page; a free one if it is taken, or 0.")
]


def _log_in(format: str | None) -> str | None:
    if format not in (None, "text", "json"):
        raise typer.BadParameter(f"'{format}' is no form of logs; use text or json")
    if format is not None:
        os.environ[LOG_VARIABLE] = format
        for handler in logging.getLogger().handlers:
            handler.setFormatter(formatter("%(message)s"))
    return format


LogFormat = Annotated[
    str | None,
    typer.Option(
        "--log-format",
        metavar="text|json",
        callback=_log_in,
        help="Form of all logs, this process's and its children's; json is one object on a line.",
    ),
]
NoWeb = Annotated[bool, typer.Option("--no-web", help="Show no web page.")]


console = Terminal(highlight=False)
_FULL_WIDTH = 10_000
"""The width of what is no terminal."""


def say_what_happens() -> None:
    """Let our own packages log to the terminal, for commands that stay; libraries keep to warnings."""
    for name in ("coordinator", "contributor_client", "registry", "ratatouille"):
        logging.getLogger(name).setLevel(logging.INFO)


def plain(value: Any) -> Any:
    """Records, and containers of them, as plain JSON values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=not takes_all_signs(sys.stdout))
    sys.stdout.write(f"{printable_json(text)}\n")


def print_json_line(value: Any) -> None:
    """One JSON document on one line, as one of many."""
    print_text(printable_json(json.dumps(plain(value), ensure_ascii=not takes_all_signs(sys.stdout))))
    sys.stdout.flush()


def print_text(text: str) -> None:
    """Text for another program, line by line as it is."""
    sys.stdout.write(f"{text}\n")


Cell = str | Text


def print_table(
    layout: TableLayout, rows: Iterable[Sequence[Cell]], title: str | None = None, most: int | None = None
) -> None:
    """A table at the terminal's width; at full width with --wide, and where the output is not a terminal.

    Args:
        layout: its columns.
        rows: a cell for each column.
        title: a line above it.
        most: how many rows are shown; a line says how many more `--json` has.
    """
    rows = list(rows)
    if title is not None:
        console.print()
        print_line(title, "bold")
    cells = [[cell if isinstance(cell, Text) else safe(cell) for cell in row] for row in rows[:most]]
    for line in layout.lines(cells, console.width if console.is_terminal and not console.wide else None):
        console.print(line, soft_wrap=True)
    if most is not None and len(rows) > most:
        print_line(f"and {len(rows) - most} more; --json has all")


def display(renderable: RenderableType) -> None:
    """Print anything; what is not a terminal gets the full width."""
    if not console.is_terminal:
        console.width = _FULL_WIDTH
    console.print(renderable)


def print_line(text: str, style: str = "") -> None:
    """One sentence; on a terminal it goes on in the next line, between words."""
    console.say(safe(text, style))


def print_note(text: str) -> None:
    """A sentence for people on standard error, where standard output is for other programs."""
    Terminal(stderr=True, highlight=False).say(safe(text))


def warn(text: str) -> None:
    """One line on standard error, so that what a program reads from standard output stays as it is."""
    Terminal(stderr=True, highlight=False).print(safe(f"warning: {text}", "bold yellow"), soft_wrap=True)


def safe(text: str, style: str = "") -> Text:
    """Text as it is: without markup, and without control characters, since others may have written it."""
    return Text(printable(text.replace("\n", " ")), style)


def short(digest: str | None) -> str:
    """The first characters of an id, as people type it."""
    return digest[:10] if digest else "–"


def when(seconds: float) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def about(seconds: float) -> str:
    """A time that is estimated, as people say it: `about 40 s`, `about 4 min`, `about 3 h`."""
    if seconds < 55:
        return f"about {max(10, 10 * round(seconds / 10))} s"
    if seconds < 90 * 60:
        return f"about {max(1, round(seconds / 60))} min"
    hours = round(seconds / 3600)
    return f"about {hours} h" if hours < 72 else f"about {round(hours / 24)} days"


def percent(share: float | None) -> str:
    """A share of 1 in percent with one decimal."""
    return "–" if share is None else f"{100 * share:.1f}"


_LINE_SECONDS = 5.0


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A callback (done, total) that shows how far `what` is; the bar goes when all is done."""
    if not console.is_terminal:
        yield _lines(what)
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _shown_progress(progress, what)


@contextmanager
def transferring(what: str) -> Iterator[Callable[[int, int], None]]:
    """A callback (bytes done, bytes in all) that shows how far the transfer of `what` is, and how fast."""
    if not console.is_terminal:
        yield _lines(f"{what}, bytes")
        return
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _shown_progress(progress, what)


def _shown_progress(progress: Progress, what: str) -> Callable[[int, int], None]:
    task = progress.add_task(what, total=None)

    def show(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)
        if done >= total:
            progress.stop()

    return show


def _lines(what: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            print_line(f"{what}: {done} of {total}")

    return show
