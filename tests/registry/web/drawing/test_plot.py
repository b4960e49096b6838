from __future__ import annotations

from itertools import pairwise

from registry.web.drawing.plot import HEIGHT, LABEL_PITCH, SERIES, Value, plot


def values(*shares: float, margin: float | None = 5.0) -> list[Value]:
    return [Value(place, share, margin, f"{share}", "/") for place, share in enumerate(shares)]


def test_releases_go_from_left_to_right_and_better_is_higher() -> None:
    (series,) = plot(["a", "b", "c"], [("photo", values(40, 50, 60))], 1000, 100).series
    assert [point.x for point in series.points] == sorted(point.x for point in series.points)
    assert [point.y for point in series.points] == sorted((point.y for point in series.points), reverse=True)
    for point in series.points:
        assert point.high < point.y < point.low
        assert point.high > 0
        assert point.low <= HEIGHT


def test_a_value_without_an_interval_is_a_point() -> None:
    (series,) = plot(["a"], [("photo", values(40, margin=None))], 1000, 100).series
    (point,) = series.points
    assert point.low == point.y == point.high


def test_an_interval_ends_at_zero_and_at_a_hundred() -> None:
    drawn = plot(["a", "b"], [("photo", values(1, 99, margin=20.0))], 1000, 100)
    assert (drawn.y.low, drawn.y.high) == (0.0, 100.0)
    first, last = drawn.series[0].points
    assert first.low == drawn.y.at(0)
    assert last.high == drawn.y.at(100)


def test_equal_values_of_two_series_stand_beside_each_other_and_their_names_below_each_other() -> None:
    drawn = plot(["a", "b"], [("one", values(50, 50)), ("two", values(50, 50)), ("three", values(50, 50))], 1000, 100)
    assert len({point.x for series in drawn.series for point in series.points}) == 6
    labels = sorted(series.label for series in drawn.series)
    assert all(after - before >= LABEL_PITCH for before, after in pairwise(labels))


def test_a_release_without_counts_is_left_out_of_the_line() -> None:
    (series,) = plot(["a", "b", "c"], [("photo", [values(1, 2, 3)[0], values(1, 2, 3)[2]])], 1000, 100).series
    assert len(series.points) == 2


def test_more_lines_than_there_are_colours_are_not_drawn() -> None:
    many = [(f"domain {number}", values(float(number))) for number in range(SERIES + 3)]
    assert len(plot(["a"], many, 1000, 100).series) == SERIES


def test_names_of_many_releases_are_thinned_out_but_the_last_stays() -> None:
    names = [f"release {number}" for number in range(40)]
    marks = plot(names, [("photo", values(*([50.0] * 40)))], 320, 0).marks
    assert marks[-1].shown
    shown = [mark.x for mark in marks if mark.shown]
    assert all(after - before >= 60 for before, after in pairwise(shown))
