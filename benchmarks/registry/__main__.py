"""The registry beside bare queries, syncs and streams, on SQLite and PostgreSQL: questions, publications, transfers.

Every row is a ratio against the same work done bare in the same run; limits are limits of ratios.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.output import REFUSED, told
from benchmarks.registry import peer, publishing, transfers
from benchmarks.registry.filling import fill, postgresql, settle
from benchmarks.registry.questions import questions, timed
from registry.database import Database
from registry.services.local import LocalRegistry

PARTS = ("questions", "publications", "transfers")
PUBLISHERS = 4
"""Processes that publish at once."""
TURNS = 3
"""Transfers whose median counts, at most; each has processes of its own."""
SLOWER_SYNC = 0.005
"""Seconds that a sync takes longer in the second run of publications: a disk without a battery takes a few."""
PEER_VERSIONS = 800
"""Versions of a page that another registry is asked for too; fewer of a short history."""
VIT_B16 = 86_500_000
"""Numbers of a large model: 346 MB."""


def run(parts: Sequence[str], versions: int, repeats: int, each: int, numbers: int) -> dict[str, Any]:
    """All that was asked for."""
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as root, postgresql(Path(root) / "server") as url:
        folder = Path(root)
        if "questions" in parts:
            report["versions"] = versions
            report["questions"] = _questions(folder, url, versions, repeats)
            report["peer"] = _peer(folder, min(PEER_VERSIONS, versions // 10), repeats)
        if "publications" in parts:
            homes = {"SQLite": lambda folder: None, "PostgreSQL": _on(url)}
            with publishing.publishers(PUBLISHERS) as publishers:
                report["publications"] = [
                    {"database": kind, **publishing.compared(publishers, home, each, added)}
                    for kind, home in homes.items()
                    for added in (0.0, SLOWER_SYNC)
                ]
    if "transfers" in parts:
        report["transfers"] = transfers.compared(numbers, min(TURNS, repeats))
    rows = [row for each_kind in report.get("questions", {}).values() for row in each_kind]
    rows += [*report.get("publications", []), *([report["transfers"]] if "transfers" in report else [])]
    return {**report, "limits_met": all(row["met"] for row in rows)}


def _questions(folder: Path, url: str, versions: int, repeats: int) -> dict[str, list[dict[str, Any]]]:
    homes = {"SQLite": folder / "sqlite", "PostgreSQL": folder / "postgresql"}
    for home in homes.values():
        home.mkdir(mode=0o700)
    _on(url)(homes["PostgreSQL"])
    databases = [Database(homes["SQLite"] / "registry.db"), Database(url)]
    marks = fill(databases, versions)
    for database in databases:
        database.close()
    settle(url)
    found = {}
    for kind, home in homes.items():
        registry = LocalRegistry(home)
        database = Database(homes["SQLite"] / "registry.db" if kind == "SQLite" else url)
        found[kind] = [timed(registry, database, question, repeats) for question in questions(marks)]
        database.close()
        registry.close()
    return found


def _peer(folder: Path, versions: int, repeats: int) -> dict[str, Any]:
    """A page of so many versions from another registry, on the history that the questions were asked to."""
    theirs = folder / "peer"
    theirs.mkdir()
    registry = LocalRegistry(folder / "sqlite")
    try:
        return peer.compared(theirs, registry, versions, repeats)
    finally:
        registry.close()


def _on(url: str) -> Callable[[Path], None]:
    """Prepares a folder whose history is in this database."""

    def write(folder: Path) -> None:
        (folder / "registry.toml").write_text(f'database = "{url}"\n')

    return write


def show(report: dict[str, Any], console: Console) -> None:
    """The report as tables."""
    for kind, rows in report.get("questions", {}).items():
        title = f"{report['versions']:,} versions, 5 evaluations each, {kind}: times a bare query of the same rows"
        _table(console, title, ("question", "rows", "milliseconds", "bare_milliseconds", "ratio", "limit"), rows)
    if "ratio" in report.get("peer", {}):
        found = report["peer"]
        console.print(
            f"A page of {found['versions']} versions on SQLite: ours {found['milliseconds']} ms, {found['peer']} "
            f"{found['peer_milliseconds']} ms ({found['ratio']} times ours)"
        )
    elif "peer" in report:
        console.print(report["peer"]["peer"])
    if "publications" in report:
        rows = report["publications"]
        rates = ("database", "sync_milliseconds_added", "published_per_second", "bare_per_second", "share", "limit")
        title = "Publications of small weights from four processes, and the same syncs bare"
        _table(console, title, (*rates, "syncs", "transactions", "statements"), rows)
    if "transfers" in report:
        found = report["transfers"]
        title = f"A model of {found['megabytes']} MB through the service; hashing it takes {found['hash_seconds']} s"
        columns = ("transfer", "seconds", "megabytes_per_second", "share", "limit", "bare_grpc_seconds")
        _table(console, title, columns, found["transfers"])
        console.print(
            f"memory grew by {found['client_megabytes']} MB in the client, by {found['service_megabytes']} MB "
            f"in the service (limit {found['limit_megabytes']})"
        )
    console.print("The limits are met." if report["limits_met"] else "A LIMIT IS MISSED.")


def _table(console: Console, title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    table = Table(title=title)
    for number, column in enumerate(columns):
        table.add_column(column.replace("_", " "), justify="right" if number else "left")
    table.add_column("")
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns), "" if row["met"] else "MISSED")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code: 1 for a missed limit, 2 for a refusal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.registry", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="some parts only")
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument(
        "--repeats",
        type=int,
        default=20,
        help="of each question, and of transfers (at most 3)",
    )
    parser.add_argument("--each", type=int, default=100, help="publications of each process")
    parser.add_argument("--numbers", type=int, default=VIT_B16, help="numbers of the large model")
    options = parser.parse_args(arguments)
    if options.versions < 3000 or min(options.repeats, options.each) < 1:
        parser.error("at least 3,000 versions, one repeat and one publication")
    report = told(
        lambda: run(options.only, options.versions, options.repeats, options.each, options.numbers), show, options.json
    )
    if report is None:
        return REFUSED
    return 0 if report["limits_met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
