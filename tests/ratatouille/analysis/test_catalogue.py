"""Every analysis of every round has a sentence, a table and a figure, however little there is to see."""

from typing import Any

import pytest

from ratatouille.analysis import figures
from ratatouille.analysis.catalogue import ANALYSES
from ratatouille.recipes.protocol import EMOJI
from ratatouille.recipes.studies import STUDIES
from tests.ratatouille.recipes.simulation import a_round, name, run


def measured(kind: str, pool: str, runs: int, **changes: Any) -> Any:
    protocol = EMOJI.model_copy(update={"runs": runs})
    round = a_round(pool, STUDIES[kind].recipes, protocol, analyses=(kind,)).model_copy(update=changes)
    found, _ = run(round, lambda order, cell: int(name(order.label + cell.domain)[:4], 16) % 11)
    assert found.done
    return ANALYSES[kind].measure(round, found)


def test_the_catalogue_has_the_studies() -> None:
    assert list(ANALYSES) == list(STUDIES)


@pytest.mark.parametrize("kind", ANALYSES)
@pytest.mark.parametrize("pool", ["", "w", "wxy"])
@pytest.mark.parametrize("runs", [1, 4])
def test_it_has_a_sentence_a_table_and_a_figure(kind: str, pool: str, runs: int) -> None:
    found = measured(kind, pool, runs)
    assert found.sentence.endswith(".")
    assert found.model_dump_json()
    table = ANALYSES[kind].table(found)
    assert len(table.csv().splitlines()) == 1 + len(table.rows)
    assert all(len(row) == len(table.header()) for row in table.shown())
    written = figures.files(ANALYSES[kind].draw(found))
    assert written["figure.png"].startswith(b"\x89PNG")
    assert written["figure.svg"].startswith(b"<?xml")


@pytest.mark.parametrize("kind", ANALYSES)
def test_nothing_held_out_is_said(kind: str) -> None:
    found = measured(kind, "w", 3, held_out=(), evaluation=())
    assert "held" in found.sentence
    assert figures.files(ANALYSES[kind].draw(found))


@pytest.mark.parametrize("kind", ANALYSES)
def test_the_same_numbers_make_the_same_bytes(kind: str) -> None:
    first, second = (figures.files(ANALYSES[kind].draw(measured(kind, "w", 3))) for _ in range(2))
    assert first == second
