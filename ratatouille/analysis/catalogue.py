"""The catalogue of analyses: how the counts of each study become numbers, a table and a figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ratatouille.analysis import (
    auxiliaries,
    connectivity,
    diversity,
    drawings,
    selection,
)
from ratatouille.analysis.table import Table
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.round import Round


@dataclass(frozen=True)
class Analysis:
    """A row: functions of what the row of the same name in `studies.STUDIES` has counted."""

    measure: Callable[[Round, RoundPlan], Any]
    """To a record with a `sentence`."""
    table: Callable[[Any], Table]
    draw: Callable[[Any], Any]
    """To a figure of matplotlib."""


ANALYSES = {
    "connectivity": Analysis(
        lambda round, plan: connectivity.connectivity(plan.studies["connectivity"], round.target),
        connectivity.table,
        drawings.connectivity,
    ),
    "diversity": Analysis(
        lambda round, plan: diversity.diversity(plan.studies["diversity"], round.metric),
        diversity.table,
        drawings.diversity,
    ),
    "auxiliaries": Analysis(
        lambda round, plan: auxiliaries.auxiliaries(plan.studies["auxiliaries"], round.metric, round.protocol.runs),
        auxiliaries.table,
        drawings.auxiliaries,
    ),
    "selection": Analysis(
        lambda round, plan: selection.selection(plan.studies["selection"], plan.outcomes, round.metric),
        selection.table,
        drawings.selection,
    ),
}
