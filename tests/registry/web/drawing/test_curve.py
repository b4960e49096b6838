from __future__ import annotations

from ratatouille.exchange.receipt import CurvePoint
from registry.web.drawing.plot import MOST_POINTS, curves


def points(count: int) -> list[CurvePoint]:
    return [
        CurvePoint(step=step, loss=None if step == 0 else 1 / step, validation_loss=1.0, score=0.5)
        for step in range(count)
    ]


def test_a_curve_is_a_plot_of_scores_and_one_of_losses() -> None:
    scores, losses = curves(points(5), kept=2)
    assert [line.name for line in scores.lines] == ["validation score"]
    assert [line.name for line in losses.lines] == ["validation loss", "training loss"]
    assert [len(line.points.split()) for line in losses.lines] == [5, 4]
    assert scores.kept == scores.x.at(2)


def test_nothing_is_drawn_of_a_training_without_a_curve() -> None:
    assert curves([], kept=None) == ()


def test_a_long_curve_is_thinned_out_and_keeps_its_ends() -> None:
    scores, _ = curves(points(10_001), kept=None)
    drawn = scores.lines[0].points.split()
    assert len(drawn) == MOST_POINTS
    assert float(drawn[0].split(",")[0]) == scores.x.at(0)
    assert float(drawn[-1].split(",")[0]) == scores.x.at(10_000)
    assert scores.kept is None
