"""Output of commands: tables and sentences for people, one JSON document for scripts."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

from ratatouille.cli.streams import Terminal, takes_all_signs
from ratatouille.printable import printable as printable
from ratatouille.printable import printable_json

console = Terminal(highlight=False)


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


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A table that keeps its full width when the output is not a terminal; without names it has no header line."""
    if title is not None:  # a line of its own: as rich's title it would be wrapped to the width of the table
        console.print()
        print_line(title, "bold")
    display(table_of(columns, rows))


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """In a narrow terminal words go on in the next line, and none is cut: people copy ids, dates and names."""
    wide = (Column(name, overflow="fold") for name in columns)
    table = Table(*wide, show_header=any(columns), header_style="bold", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(safe, row))
    return table


def display(renderable: RenderableType) -> None:
    """Print anything; what is not a terminal gets the full width."""
    if not console.is_terminal:
        console.width = 200
    console.print(renderable)


def print_line(text: str, style: str = "") -> None:
    """One line, which the terminal may wrap."""
    console.print(safe(text, style), soft_wrap=True)


def safe(text: str, style: str = "") -> Text:
    """Text as it is: without markup, and without control characters, since others may have written it."""
    return Text(printable(text.replace("\n", " ")), style)


def short(digest: str | None) -> str:
    """The first characters of an id, as people type it."""
    return digest[:10] if digest else "–"


def when(seconds: float) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def percent(share: float | None) -> str:
    """A share of 1 in percent with one decimal."""
    return "–" if share is None else f"{100 * share:.1f}"
