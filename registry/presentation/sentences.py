"""Answers of the registry as one sentence, the same in the terminal and on the page."""

from __future__ import annotations

from ratatouille.cli import output
from registry.records import Difference, Ranking


def about(found: Ranking) -> str:
    """What a ranking is by."""
    many = len(found.domains)
    over = f"the mean over {many} domains ({', '.join(found.domains)})" if many > 1 else f"domain {found.domains[0]}"
    images = f"split {found.split}" + ("" if found.slice == "all" else f", slice {found.slice}")
    images += f", trial {found.trial}" if found.trial else ""
    return f"Versions for {found.task} by {found.metric.replace('_', ' ')} in percent: {over}, {images}."


def related(found: Difference) -> str:
    """Where two versions part."""
    ancestor, (one, two) = found.relation.ancestor, found.relation.steps
    if ancestor is None:
        return "they have no version in common"
    if found.first.id == found.second.id:
        return "they are the same version"
    if not one:
        return f"the second comes from the first, {_steps(two)} later"
    if not two:
        return f"the first comes from the second, {_steps(one)} later"
    return f"both come from {output.short(ancestor.id)}: the first {_steps(one)} later, the second {_steps(two)}"


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"
