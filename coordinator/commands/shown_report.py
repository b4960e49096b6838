"""The result of a round as a terminal shows it."""

from __future__ import annotations

from typing import Any

from ratatouille.analysis.report import Report
from ratatouille.cli.output import TableLayout, percent, print_line, print_table, short
from ratatouille.recipes.columns import STARTS
from ratatouille.recipes.recipe import recipe_named
from ratatouille.wording import number_of


def show_report(found: Report) -> None:
    """The table for people."""
    slices = [name for name in ("seen", "new") if any(name in row.held_out for row in found.rows)]
    layout = TableLayout(
        ("recipe", "runs", "validation", "held out", *slices, "mean run", "best run", "version", "weights"),
        drop=("weights", "mean run", "best run", *reversed(slices), "runs", "validation"),
    )
    rows = []
    for row in found.rows:
        final = [_score(row.held_out.get(name)) for name in ("all", *slices)]
        spread = f" ± {100 * row.run_spread:.1f}" if row.run_spread is not None else ""
        runs = str(row.runs) if row.runs == row.wanted else f"{row.runs} of {row.wanted}"
        weights = f"{short(row.featurizer)}+{short(row.head)[:6]}" if row.featurizer else "–"
        rows.append(
            [
                row.recipe + ("†" if row.trials > 1 else ""),
                runs,
                _score(row.validation),
                *final,
                percent(row.mean_run) + spread,
                percent(row.best_run),
                short(row.version),
                weights,
            ]
        )
    print_table(
        layout, rows, f"{found.name}: {found.target}, {found.metric} in %, held out: {', '.join(found.held_out)}"
    )
    print_line(
        "± beside a score: half of its 95 % interval over images; beside the mean run: standard deviation over runs."
    )
    print_line("best run: the one that validation chooses.")
    if found.starts:
        who = [row.recipe for row in found.rows if STARTS[recipe_named(row.recipe).starts].auxiliaries]
        print_line(f"Runs of {', '.join(who)} start from {', '.join(found.starts)}.")
    print_line(found.verdict)
    trials = max((row.trials for row in found.rows), default=1)
    if trials > 1:
        print_line(f"†: the runs of {trials} trials in one average, which no image validates.")
    if found.shared:
        print_line(f"Done once for several recipes: {number_of(found.shared, 'training')}.")
    for row in found.rows:
        if row.untrained:
            print_line(
                f"{row.recipe}: {row.untrained} of {number_of(row.runs, 'run')} kept step 0, so these weights are the "
                "start's; `untrained_members` of the protocol says whether averages take them in"
            )
    if found.lacking:
        print_line(
            f"Without {number_of(len(found.lacking), 'answer')} that the members who hold the data have closed: "
            + ", ".join(found.lacking)
        )
    for sentence in found.admission.sentences if found.admission else ():
        print_line(sentence)
    for gap in found.gaps:
        print_line(f"note: {gap}", "yellow")
    if found.note:
        print_line(found.note)


def _score(score: Any) -> str:
    return "–" if score is None else f"{100 * score.value:.1f} ± {100 * score.margin:.1f}"
