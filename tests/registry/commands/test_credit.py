from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.cli import output
from registry.commands.credit import CONTRIBUTORS
from registry.presentation.credit import credit_lines, drawn
from registry.records import MeanGain
from tests.ratatouille.cli.call import call
from tests.registry.credited import HOLDER, SKETCHES, Federation
from tests.registry.world import World


@pytest.fixture
def federation(world: World) -> Federation:
    return Federation(world)


def gain(low: float, value: float, high: float) -> MeanGain:
    return MeanGain(value=value, low=low, high=high, images=100, domains=1)


def test_credit_is_asked_for_and_shown_with_what_is_missing(federation: Federation, home: Path) -> None:
    average = str(federation.average.version)
    federation.world.maintainer.release(average)
    shown = call("credit", "latest").out
    assert "nobody has asked nodes to count it" in shown
    assert "a maintainer asks with `ratatouille credit REV --ask`" in shown
    federation.at(HOLDER).offer(SKETCHES, name="holder")
    asked = call("credit", "latest", "--ask").out
    assert f"credit of {average[:12]} on sketch" in asked
    assert "2 comparisons are asked of nodes; no coordinator is up yet" in asked
    assert len(call("credit", "latest", "--ask", "--json").json["owed"]) == 2
    for one in federation.ask():
        federation.answer(one, HOLDER, lambda place, _: range(80 - 9 * place))
    lines = call("credit", "latest").out
    for words in ("anna", "66.7", "helps", "●", "The whole has 80.0 %", "cannot be told apart", "2 of 2 comparisons"):
        assert words in lines
    assert "nothing is open" in call("credit", "latest", "--ask").out
    found = call("credit", "latest", "--of", "contributions", "--json").json
    assert (len(found["contributions"]), found["contributors"], found["basis"]) == (3, [], "held_out")
    assert "95 % interval" in call("credit", "latest", "--of", "contributions").out


def test_a_table_of_credit_fits_eighty_columns(federation: Federation) -> None:
    federation.at(HOLDER).offer(SKETCHES, name="holder")
    for one in federation.ask():
        federation.answer(one, HOLDER, lambda place, _: range(80 - 9 * place))
    found = federation.world.registry.versions.credit(str(federation.average.version))
    rows = [
        (one.places, one.who, one.value, one.interval, one.drawn, one.effect, f"{100 * one.share:.1f}", one.own)
        for one in credit_lines(found.contributors)
    ]
    lines = list(CONTRIBUTORS.lines([[output.safe(cell) for cell in row] for row in rows], 80))
    assert max(len(line.plain.rstrip()) for line in lines) <= 80
    assert "drawn" in lines[0].plain


def test_what_is_no_average_has_no_credit(federation: Federation) -> None:
    refused = call("credit", str(federation.runs[0].version))
    assert refused.code == 2
    assert "is no average" in refused.err
    assert "use it with --ask" in call("credit", "latest", "--image-size", "8").err


@pytest.mark.parametrize(
    ("ends", "drawing"),
    [
        ((0.1, 0.2, 0.4), "    │─●──"),
        ((-0.4, -0.2, 0.0), "──●─┼    "),
        ((-0.1, 0.0, 0.1), "   ─●─   "),
    ],
)
def test_intervals_are_drawn_around_zero(ends: tuple[float, float, float], drawing: str) -> None:
    assert drawn(gain(*ends), 0.4, 9) == drawing
    assert drawn(None, 0.4, 9) == ""
