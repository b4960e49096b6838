"""What a graph says and where it is drawn: laws for every history, and known answers for a round."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratatouille.exchange.version import Parent
from ratatouille.record import sha256
from registry.presentation.lineage import share_of
from registry.web.drawing.graph import FEW, LISTED, gathered
from registry.web.drawing.layers import NARROW, Box, Drawing, across, down
from registry.web.summaries import VersionSummary


def version(
    name: str, rule: str = "fine_tune", parents: tuple[str | Parent, ...] = (), task: str = "pets", **more: object
) -> VersionSummary:
    """A version; a parent that is a name has the coefficient 1."""
    values: dict[str, object] = {
        "id": sha256(name.encode()),
        "rule": rule,
        "purpose": "uniform" if rule == "combine" else None,
        "parts": "both",
        "state": "admitted",
        "task": task,
        "task_kind": "target" if task == "pets" else "auxiliary",
        "contributor": "anna",
        "node": None,
        "round": "r1",
        "created": float(len(name)),
        "message": "",
        "names": (),
        "parents": tuple(Parent(version=sha256(one.encode())) if isinstance(one, str) else one for one in parents),
    }
    return VersionSummary.model_validate(values | more)


def a_round(trainings: int) -> list[VersionSummary]:
    """A foundation, a head, trainings and their average."""
    runs = [version(f"run {number}", parents=("base", "head")) for number in range(trainings)]
    base, top = version("base", "import", task="x"), version("head", "probe", ("base",))
    return [base, top, *runs, version("average", "combine", tuple(f"run {number}" for number in range(trainings)))]


@st.composite
def histories(draw: st.DrawFn) -> list[VersionSummary]:
    """Versions whose parents are among those before them."""
    rules = draw(st.lists(st.sampled_from(["import", "probe", "fine_tune", "combine"]), min_size=1, max_size=30))
    versions = []
    for number, rule in enumerate(rules):
        most = 0 if rule == "import" else min(number, 5)
        chosen = draw(st.lists(st.integers(0, number - 1), max_size=most, unique=True)) if most else []
        names = tuple(f"v{'x' * draw(st.integers(1, 12))}-{place}" for place in range(draw(st.integers(0, 3))))
        parents = tuple(f"n{parent}" for parent in chosen)
        versions.append(version(f"n{number}", rule, parents, draw(st.sampled_from(["pets", "cars"])), names=names))
    return versions


def overlap(one: Box, other: Box) -> bool:
    def ends(box: Box) -> tuple[float, float]:
        return box.x + box.width, max([box.y + box.height, *(flag.y + 17 for flag in box.flags)])

    (right, bottom), (right2, bottom2) = ends(one), ends(other)
    return one.x < right2 and other.x < right and one.y < bottom2 and other.y < bottom


@settings(deadline=None, max_examples=60)
@given(histories(), st.booleans(), st.integers(0, 8))
def test_every_version_has_one_place_and_no_box_covers_another(
    versions: list[VersionSummary], wide: bool, few: int
) -> None:
    keys = {node.key for node in gathered(versions, few=few).nodes}
    for opened in (set(), keys):
        graph = gathered(versions, opened=opened, few=few, listed=4)
        members = [member.id for node in graph.nodes for member in node.members]
        assert sorted(members) == sorted(one.id for one in versions)
        drawing: Drawing = across(graph) if wide else down(graph)
        assert not any(overlap(one, other) for one, other in combinations(drawing.boxes, 2))
        for box in drawing.boxes:
            assert min(box.x, box.y) >= 0
            assert box.x + box.width <= drawing.width + 1e-6
            assert box.y + box.height <= drawing.height + 1e-6
            for spot in box.spots:
                assert box.x <= spot.x <= box.x + box.width
                assert box.y <= spot.y <= box.y + box.height
        assert len(drawing.wires) == len(graph.edges)


@settings(deadline=None, max_examples=60)
@given(histories())
def test_parents_stand_before_their_children_and_no_edge_is_lost(versions: list[VersionSummary]) -> None:
    graph = gathered(versions, few=0)
    column = {member.id: node.column for node in graph.nodes for member in node.members}
    for one in versions:
        for parent in one.parents:
            assert column[parent.version] < column[one.id]
    distinct = sum(len({parent.version for parent in one.parents}) for one in versions)
    assert sum(edge.count for edge in graph.edges) == distinct


def test_members_with_other_shares_are_said_to_differ() -> None:
    runs = [version(f"run {number}") for number in range(9)]
    parents = tuple(Parent(version=one.id, coefficient=1 + number) for number, one in enumerate(runs))
    (edge,) = gathered([*runs, version("average", "combine", parents)]).edges
    assert edge.share == "9 shares"


def test_a_small_round_is_drawn_version_by_version_with_its_shares() -> None:
    graph = gathered(a_round(4))
    assert [node.form for node in graph.nodes] == ["single"] * 7
    weights = [edge for edge in graph.edges if edge.role == "weight"]
    assert [(edge.count, edge.share) for edge in weights] == [(1, "1/4")] * 4
    roles = [edge.role for edge in graph.edges if edge.role != "weight"]
    assert (roles.count("start"), roles.count("head")) == (5, 4)


def test_hundreds_of_trainings_are_one_group_with_one_edge() -> None:
    graph = gathered(a_round(300))
    assert [(node.form, node.title) for node in graph.nodes if len(node.members) > 1] == [("closed", "300 trainings")]
    assert [edge.share for edge in graph.edges if edge.role == "weight"] == ["1/300"]
    assert len(graph.edges) == 4
    assert across(graph).height < 200


@pytest.mark.parametrize(
    ("count", "form"), [(FEW + 1, "lines"), (LISTED, "lines"), (LISTED + 1, "dots"), (600, "dots")]
)
def test_a_group_opens_into_lines_and_a_large_one_into_dots(count: int, form: str) -> None:
    closed = next(node for node in gathered(a_round(count)).nodes if node.form == "closed")
    graph = gathered(a_round(count), opened={closed.key})
    opened = next(node for node in graph.nodes if node.key == closed.key)
    assert (opened.form, len(opened.members)) == (form, count)
    drawing = across(graph)
    (box,) = [box for box in drawing.boxes if box.spots]
    assert len({(spot.x, spot.y) for spot in box.spots}) == count
    assert drawing.height < 1500
    shares = [edge.share for edge in graph.edges if edge.role == "weight"]
    assert shares == ([f"1/{count}"] * count if form == "lines" else [f"1/{count}"])


def test_trainings_on_targets_and_on_auxiliary_tasks_are_groups_of_their_own() -> None:
    runs = [
        version(f"{task}{number}", parents=("base",), task=task) for task in ("pets", "cars") for number in range(9)
    ]
    graph = gathered([version("base", "import"), *runs])
    groups = {node.about: (node.title, node.colour) for node in graph.nodes if node.form == "closed"}
    assert groups == {"pets": ("9 trainings", "target"), "cars": ("9 trainings", "fine_tune")}


def test_versions_from_elsewhere_are_marked() -> None:
    graph = gathered([version("run", parents=("base",))], [version("base", "import")])
    assert {node.first.rule: node.outside for node in graph.nodes} == {"import": True, "fine_tune": False}


def test_a_start_that_gives_the_head_too_is_one_edge() -> None:
    twice = version("run", parents=("base", "base"))
    (edge,) = gathered([version("base", "import"), twice]).edges
    assert (edge.role, edge.count) == ("start", 1)


def test_averages_that_nothing_was_made_from_stand_in_the_last_column() -> None:
    versions = [*a_round(3), version("later", parents=("run 0",)), version("last", "combine", ("later",))]
    columns = {node.first.id: node.column for node in gathered(versions).nodes}
    assert columns[sha256(b"average")] == columns[sha256(b"last")] == max(columns.values())


@pytest.mark.parametrize(
    ("coefficient", "total", "written"),
    [(1, 4, "1/4"), (3, 7, "3/7"), (0.25, 1.0, "0.25"), (-0.5, 0.5, "-1"), (1.0, 0.0, "1")],
)
def test_shares_are_fractions_of_counts_and_three_digits_of_factors(
    coefficient: float, total: float, written: str
) -> None:
    assert share_of(coefficient, total) == written


def test_on_a_phone_a_graph_is_as_wide_as_the_phone() -> None:
    for count in (1, 3, 300):
        assert down(gathered(a_round(count), few=2, listed=0)).width == NARROW
    assert across(gathered([])).boxes == ()
