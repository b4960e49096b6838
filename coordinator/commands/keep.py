"""Keeping a round's result in a folder: the table, the resolved settings, and the figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ratatouille.analysis.figures import Pixels, draw_round
from ratatouille.analysis.report import Report
from ratatouille.tasks.stored import write_whole
from registry.records import RoundRecord


def keep(
    folder: Path, found: Report, record: RoundRecord, examples: Mapping[str, Sequence[Pixels]] | None = None
) -> None:
    """Write report.json, round.json (everything that determined the result) and figure.png."""
    write_whole(folder / "report.json", [_text(found.model_dump(mode="json"))])
    write_whole(folder / "round.json", [_text(json.loads(record.spec))])
    draw_round(found, examples or {}, folder / "figure.png")


def _text(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
