"""The report of a benchmark: one page of HTML with its figures in it, the same in Markdown, and the numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from coordinator.benchmark.running import Cost, PreparedSuite
from ratatouille.analysis.benchmark import DATA_SETS, BenchmarkLine, Summary, named, published
from ratatouille.analysis.figures import draw_benchmark
from ratatouille.analysis.intervals import TrialInterval
from ratatouille.folders import write_whole


def write(folder: Path, prepared: PreparedSuite, summaries: Sequence[Summary], cost: Cost, command: str) -> list[Path]:
    """Write index.html, report.md, summary.json and figures of each target; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {summary.target: draw_benchmark(summary, folder, f"figure-{summary.target}") for summary in summaries}
    values: dict[str, Any] = {
        "name": prepared.suite.name,
        "summaries": summaries,
        "cost": cost,
        "about": prepared.suite.about,
        "command": command,
        "foundation": prepared.suite.foundation,
        "protocol": prepared.suite.rounds[0].settings.protocol,
        "columns": columns,
        "rows": rows,
        "points": points,
        "figures": {target: path.read_text() for target, path in figures.items()},
        "overall": _overall(summaries),
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    plain = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    written = []
    for name, template, how in (("index.html", "page.html", environment), ("report.md", "report.md", plain)):
        text = how.from_string(_template(template)).render(values)
        write_whole(folder / name, [text.encode()])
        written.append(folder / name)
    plain_values = [summary.model_dump(mode="json") for summary in summaries]
    data = {"command": command, "cost": cost.model_dump(mode="json"), "summaries": plain_values}
    write_whole(folder / "summary.json", [(json.dumps(data, indent=2) + "\n").encode()])
    return [*written, folder / "summary.json", *figures.values()]


def _overall(summaries: Sequence[Summary]) -> list[list[str]]:
    """Recipes by targets, with the mean over targets and the published numbers beside; nothing for one target."""
    if len(summaries) < 2:
        return []
    labels = dict.fromkeys(named(line.recipe, line.setting) for summary in summaries for line in summary.lines)
    table = [["recipe", *(summary.target for summary in summaries), "mean"]]
    for label in labels:
        found = [_line(summary, label) for summary in summaries]
        means = [line.held_out["all"].mean for line in found if line]
        whole = f"{100 * sum(means) / len(means):.1f}" if len(means) == len(found) else "–"
        table.append([label, *(points(line.held_out["all"]) if line else "–" for line in found), whole])
    return table


def _line(summary: Summary, label: str) -> BenchmarkLine | None:
    return next((line for line in summary.lines if named(line.recipe, line.setting) == label), None)


def points(found: TrialInterval | None, sign: bool = False) -> str:
    """A mean in percent with the half-width of its interval."""
    if found is None:
        return "–"
    value = f"{100 * found.mean:+.1f}" if sign else f"{100 * found.mean:.1f}"
    return value if found.high is None else f"{value} ± {100 * (found.high - found.mean):.1f}"


def columns(summary: Summary) -> list[str]:
    """Headings of the table."""
    slices = _slices(summary)
    shown = ["recipe", "runs", "validation", *("held out" if one == "all" else one for one in slices), "mean run"]
    return [*shown, "published"] if summary.target in DATA_SETS else shown


def _slices(summary: Summary) -> list[str]:
    return [name for name in ("all", "seen", "new") if any(name in line.held_out for line in summary.lines)]


def rows(summary: Summary) -> list[list[str]]:
    """Lines of the table, the best on held-out images first; for a data set of the paper, its number at the end."""
    table = []
    for line in sorted(summary.lines, key=lambda line: -line.held_out["all"].mean):
        held_out = [points(line.held_out.get(one)) for one in _slices(summary)]
        row = [named(line.recipe, line.setting), str(line.runs), points(line.validation), *held_out]
        row.append(points(line.mean_run))
        if summary.target in DATA_SETS:
            known = published(line.recipe, summary.target)
            row.append("–" if known is None else f"{known:.1f}")
        table.append(row)
    return table


def _template(name: str) -> str:
    return (files("coordinator.benchmark") / "templates" / f"{name}.jinja").read_text(encoding="utf-8")
