"""`ratatouille analyse KIND ROUND.TOML`: a question about a round's runs, answered by the nodes that hold the data.

The round trains what is not known yet, and nodes count what the analysis needs; numbers, table and figure are made here
from these counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.commands.running import Fresh, Rehearse, RoundFile, Runs, Steps, Workers, carried_out, settings_of
from coordinator.driver import RoundDriver
from ratatouille.analysis.catalogue import ANALYSES, Analysis
from ratatouille.analysis.table import Table
from ratatouille.cli.output import AsJson, Remote, TableLayout, plain, print_json, print_line, print_table
from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.round import Round
from ratatouille.recipes.studies import STUDIES, study_named
from registry.commands.opened import registry_in_force
from registry.records import RoundRecord

Kind = Annotated[str, typer.Argument(help=f"What is asked: {', '.join(STUDIES)}.", metavar="KIND")]
Output = Annotated[
    Path | None,
    typer.Option(help="Folder for figure.png, figure.svg, table.csv and analysis.json (default: ROUND-KIND, here)."),
]


def analyse(
    kind: Kind,
    file: RoundFile,
    output: Output = None,
    remote: Remote = None,
    runs: Runs = None,
    steps: Steps = None,
    fresh: Fresh = False,
    rehearse: Rehearse = None,
    workers: Workers = 1,
    as_json: AsJson = False,
) -> None:
    """Answer a question about a round's runs, with a figure and a table.

    The round file says which data, protocol and trial; the question says which recipes it is about. What is known
    already is not trained again. Nodes are given digests and coefficients and return counts, never data.
    """
    import matplotlib  # noqa: F401  (its absence must show before hours of training)

    study = study_named(kind)
    settings = settings_of(file, runs, steps, recipes=study.recipes, analyses=(kind,))
    registry = registry_in_force(remote)
    record = carried_out(settings, registry, remote, rehearse or [], workers, fresh, as_json)
    driver = RoundDriver.of(record, registry)
    found = answer(kind, driver.round, driver.gather(), record)
    folder = output or Path(f"{record.name}-{kind}")
    keep(folder, ANALYSES[kind], *found)
    document, table, _ = found
    if as_json:
        print_json(document | {"folder": str(folder)})
        return
    print_table(layout(table.header()), table.shown(), f"{record.name}: {study.summary}")
    print_line(str(document["sentence"]))
    print_line(f"figure.png, figure.svg, table.csv and analysis.json are in {folder}")


DROPPED = (
    *("at λ", "draws", "images", "ratio error", "1 − CKA", "q-diversity, validation", "accuracy, validation", "spread"),
    *("±", "mean run", "number", "networks", "validation", "first end", "last end", "from", "to", "images of"),
    *("gain of averaging", "best held out", "middle", "ends", "of", "chosen or named"),
)
"""Columns of all analyses that a narrow terminal goes without, in this order."""


def layout(columns: Sequence[str]) -> TableLayout:
    """The layout of an analysis's table."""
    return TableLayout(tuple(columns), drop=tuple(name for name in DROPPED if name in columns))


def answer(kind: str, round: Round, plan: RoundPlan, record: RoundRecord) -> tuple[dict[str, Any], Table, Any]:
    """The document that is kept, the table, and what was measured.

    Raises:
        Refusal: when counts are missing, as after a deadline.
    """
    if plan.studies.get(kind) is None:
        why = f" ({record.reason})" if record.reason else ""
        raise Refusal(
            f"round {record.name} ({record.id}) ended without all counts of {kind}{why}; "
            "raise `deadline_minutes` in its file and ask again: what is known is kept"
        )
    analysis = ANALYSES[kind]
    measured = analysis.measure(round, plan)
    table = analysis.table(measured)
    document = {
        "analysis": kind,
        "round": round.id,
        "name": round.name,
        "target": round.target,
        "held_out": list(round.held_out),
        "sentence": measured.sentence,
        "table": {"columns": [column.name for column in table.columns], "rows": plain(table.rows)},
        "result": plain(measured.model_dump(mode="json", exclude={"sentence"})),
    }
    return document, table, measured


def keep(folder: Path, analysis: Analysis, document: dict[str, Any], table: Table, measured: Any) -> None:
    """Write the figure in two forms, the table, and the document."""
    from ratatouille.analysis.figures import files

    for name, written in files(analysis.draw(measured)).items():
        write_whole(folder / name, [written])
    write_whole(folder / "table.csv", [table.csv().encode()])
    write_whole(folder / "analysis.json", [(json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()])
