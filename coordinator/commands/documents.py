"""JSON documents of the coordinator's commands, where `--json` prints more than one record."""

from __future__ import annotations

from typing import Any

from coordinator.benchmark.admission.figures import AdmissionFigures
from coordinator.benchmark.running import Cost
from coordinator.commands.checked import CheckedRound, CheckedTask
from coordinator.commands.checked_node import CheckedNode
from coordinator.progress import RoundProgress
from ratatouille.analysis.benchmark import Summary
from ratatouille.analysis.report import Report
from ratatouille.cli.documents import Printed
from ratatouille.record import Name
from ratatouille.tasks.duplicates import Overlap
from registry.records import Info, RoundRecord

Checked = CheckedTask | CheckedNode | CheckedRound


class CoordinatorStatus(Printed):
    """Who answers at an address."""

    remote: str
    info: Info
    nodes: int
    rounds: tuple[RoundRecord, ...]
    """Rounds that run or wait."""


class Started(Printed):
    """A round that was asked for with `--detach`."""

    round: Name


RoundRun = Report | Started


class RoundList(Printed):
    """Rounds, the latest first."""

    rounds: tuple[RoundRecord, ...]
    next: Name | None
    """`--before` this id goes on; None where the list has ended."""


class RoundStatus(Printed):
    """The state of a round."""

    round: RoundRecord
    standing: RoundProgress


class Hashes(Printed):
    """Hashes that were written to a file, with `--save`."""

    file: str
    hashes: int


class Overlaps(Printed):
    """Images that other tasks nearly repeat."""

    distance: int
    overlaps: tuple[Overlap, ...]


Duplicates = Hashes | Overlaps


class AnalysisTable(Printed):
    """A table: a row is a list of values in the order of the columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[bool | str | int | float | None, ...], ...]


class Analysed(Printed):
    """What an analysis found; `result` is the record of its kind (`ratatouille.analysis`)."""

    analysis: str
    round: Name
    name: Name
    target: Name
    held_out: tuple[Name, ...]
    sentence: str
    table: AnalysisTable
    result: dict[str, Any]
    folder: str


class BenchmarkDone(Printed):
    """What a benchmark found, what it took, and the files of its report."""

    summaries: tuple[Summary, ...]
    cost: Cost
    files: tuple[str, ...]


class AdmissionDone(Printed):
    """What the attack benchmark found, and the files of its report."""

    admission: AdmissionFigures
    files: tuple[str, ...]


Benchmark = Cost | BenchmarkDone | AdmissionDone
"""With `--dry-run` what it would take."""
