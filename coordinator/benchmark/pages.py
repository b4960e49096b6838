"""The report of a benchmark: one page of HTML with its figures in it, the same in Markdown, and the numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from coordinator.benchmark.running import Bench, Cost
from ratatouille.analysis.benchmark import Summary, named
from ratatouille.analysis.benchmark_figure import draw
from ratatouille.analysis.statistics import Interval
from ratatouille.tasks.stored import write_whole


def write(folder: Path, bench: Bench, summary: Summary, cost: Cost, command: str) -> list[Path]:
    """Write index.html, report.md, summary.json and figure.png/.svg; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = draw(summary, folder)
    first = bench.suite.rounds[0].settings
    values: dict[str, Any] = {
        "summary": summary,
        "cost": cost,
        "about": bench.suite.about,
        "command": command,
        "foundation": bench.suite.foundation,
        "protocol": first.protocol,
        "columns": columns(summary),
        "rows": rows(summary),
        "differences": summary.differences,
        "points": points,
        "figure": figure.read_text(),
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    plain = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    written = []
    for name, template, how in (("index.html", "page.html", environment), ("report.md", "report.md", plain)):
        text = how.from_string(_template(template)).render(values)
        write_whole(folder / name, [text.encode()])
        written.append(folder / name)
    data = {"summary": summary.model_dump(mode="json"), "cost": cost.model_dump(mode="json"), "command": command}
    write_whole(folder / "summary.json", [(json.dumps(data, indent=2) + "\n").encode()])
    return [*written, folder / "summary.json", folder / "figure.png", figure]


def points(found: Interval | None, sign: bool = False) -> str:
    """A mean in percent with the half-width of its interval."""
    if found is None:
        return "–"
    value = f"{100 * found.mean:+.1f}" if sign else f"{100 * found.mean:.1f}"
    return value if found.high is None else f"{value} ± {100 * (found.high - found.mean):.1f}"


def columns(summary: Summary) -> list[str]:
    """Headings of the table."""
    slices = _slices(summary)
    return ["recipe", "runs", "validation", *("held out" if one == "all" else one for one in slices), "mean run"]


def _slices(summary: Summary) -> list[str]:
    return [name for name in ("all", "seen", "new") if any(name in line.held_out for line in summary.lines)]


def rows(summary: Summary) -> Sequence[Sequence[str]]:
    """Lines of the table, the best on held-out images first."""
    return [
        [
            named(line.recipe, line.setting),
            str(line.runs),
            points(line.validation),
            *(points(line.held_out.get(one)) for one in _slices(summary)),
            points(line.mean_run),
        ]
        for line in sorted(summary.lines, key=lambda line: -line.held_out["all"].mean)
    ]


def _template(name: str) -> str:
    return (files("coordinator.benchmark") / "templates" / f"{name}.jinja").read_text(encoding="utf-8")
