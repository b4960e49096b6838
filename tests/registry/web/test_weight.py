"""How heavy pages are: what a browser loads for a page of large rounds, with everything that belongs to it."""

from __future__ import annotations

import gzip

from registry.web.drawing.layers import both_ways
from registry.web.pages.history import PAGE, HistoryPage, RoundView
from registry.web.templating import STATIC, environment, static
from tests.registry.web.drawing.test_graph import a_round

MOST_BYTES = 150_000


def test_a_history_of_rounds_with_hundreds_of_versions_weighs_less_than_150_kilobytes() -> None:
    rounds = tuple(
        RoundView(
            id=f"r{number}",
            name=f"round-{number}",
            state="done",
            reason="",
            created=1.0,
            changed=2.0,
            counts={"fine_tune": 500, "combine": 1},
            whole=True,
            versions=tuple(a_round(500)),
            sources=(),
            moves=(),
        )
        for number in range(PAGE)
    )
    earlier = rounds[-1].id
    view = HistoryPage(rounds=rounds, continued=False, earlier=earlier, outside=(), aliases={}, log=None)
    opened = (f"{rounds[0].id}:2.fine_tune.target",)
    drawings = {
        one.id: both_ways(one.versions, (), {"2.fine_tune.target"} if one is rounds[0] else ()) for one in rounds
    }
    values = {"view": view, "drawings": drawings, "opened": opened, "asked_before": None}
    page = environment().get_template("history.html.jinja").render(values)
    assert page.count('class="node dot') == 1000
    files = sum(len(static(name)) for name in STATIC)
    assert len(gzip.compress(page.encode(), 6)) + files < MOST_BYTES
