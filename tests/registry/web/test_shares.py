"""Effective shares: products of coefficients through averages of averages, ending at trainings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratatouille.exchange.version import Parent
from ratatouille.record import sha256
from registry.web.brief import Brief
from registry.web.shares import shares
from tests.registry.web.drawing.test_graph import version


def by(name: str, node: str, *parents: str) -> Brief:
    return version(name, parents=parents, node=sha256(node.encode()), contributor=node)


def average(name: str, **coefficients: float) -> Brief:
    parents = tuple(Parent(version=sha256(one.encode()), coefficient=value) for one, value in coefficients.items())
    return version(name, "combine", contributor=None, node=None, parents=parents)


def known(*versions: Brief) -> dict[str, Brief]:
    return {one.id: one for one in versions}


def found(top: str, *versions: Brief) -> dict[str, float | None]:
    return {one.name: one.share for one in shares(sha256(top.encode()), known(*versions)).contributors}


def test_a_uniform_average_is_shared_by_count_of_members() -> None:
    runs = [by("a", "anna"), by("b", "anna"), by("c", "carlo")]
    assert found("m", *runs, average("m", a=1, b=1, c=1)) == pytest.approx({"anna": 2 / 3, "carlo": 1 / 3})


def test_shares_multiply_through_averages_of_averages() -> None:
    runs = [by("a", "anna"), by("b", "bruno"), by("c", "carlo")]
    inner = average("inner", a=1, b=3)
    top = average("top", inner=1, c=1)
    assert found("top", *runs, inner, top) == pytest.approx({"anna": 1 / 8, "bruno": 3 / 8, "carlo": 1 / 2})


def test_a_member_that_is_reached_twice_counts_twice() -> None:
    runs = [by("a", "anna"), by("b", "bruno")]
    inner = average("inner", a=1, b=1)
    assert found("top", *runs, inner, average("top", inner=1, a=1)) == pytest.approx({"anna": 3 / 4, "bruno": 1 / 4})


def test_trainings_end_the_walk_and_who_made_their_starts_stands_further_back() -> None:
    start, run = by("start", "anna"), by("run", "carlo", "start")
    result = shares(sha256(b"m"), known(start, run, average("m", run=1)))
    assert [(one.name, one.share) for one in result.contributors] == [("carlo", 1.0)]
    assert [(one.name, one.share, one.versions) for one in result.further_back] == [("anna", None, 1)]


def test_a_training_is_its_contributors_alone() -> None:
    result = shares(sha256(b"run"), known(by("run", "carlo")))
    assert [(one.version.by, one.share) for one in result.members] == [("carlo", 1.0)]


def test_the_parts_of_a_mix_may_be_negative_and_add_up_to_one() -> None:
    result = shares(sha256(b"m"), known(by("a", "anna"), by("b", "bruno"), average("m", a=-0.5, b=1.5)))
    assert [(one.version.by, one.share) for one in result.members] == [("bruno", 1.5), ("anna", -0.5)]


def test_an_average_whose_parents_are_too_far_back_is_its_own_member() -> None:
    assert [one.share for one in shares(sha256(b"m"), known(average("m", gone=1))).members] == [1.0]


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=4))
def test_shares_add_up_to_one_however_deep_averages_are(levels: list[list[int]]) -> None:
    versions = [by("n0", "zero")]
    for number, weights in enumerate(levels, 1):
        for place, _ in enumerate(weights):
            versions.append(by(f"r{number}.{place}", f"node {place}"))
        coefficients = {f"r{number}.{place}": weight for place, weight in enumerate(weights)}
        versions.append(average(f"n{number}", **{f"n{number - 1}": 1}, **coefficients))
    result = shares(sha256(f"n{len(levels)}".encode()), known(*versions))
    assert sum(one.share for one in result.members) == pytest.approx(1.0)
