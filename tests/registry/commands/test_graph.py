from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ratatouille.exchange.version import Parent, Rule, RuleName, Version
from ratatouille.record import sha256
from registry.commands.graph import GraphRow, draw, grouped
from registry.records import Entry


def id_of(number: int) -> str:
    return sha256(str(number).encode())


def entry(
    number: int,
    *parents: int,
    rule: RuleName = "fine_tune",
    name: str | None = None,
    task: str | None = None,
    round: str | None = None,
) -> Entry:
    return Entry(
        number=number,
        id=id_of(number),
        version=Version(
            featurizer=id_of(number),
            head=None,
            architecture=id_of(0),
            task=None if task is None else sha256(task.encode()),
            parents=tuple(Parent(version=id_of(parent)) for parent in parents),
            rule=Rule(name=rule, revision=1),
            receipt=None,
        ),
        state="admitted",
        created=float(number),
        message="",
        round=round,
        work_id=id_of(number),
        task_name=task,
        contributor=None,
        node=None,
        aliases=() if name is None else (name,),
    )


def lines(*entries: Entry) -> list[str]:
    """The graph, with the numbers of the versions of each line."""
    places = {one.id: one.number for one in entries}

    def words(row: GraphRow) -> str:
        return "" if row.group is None else " ".join(str(places[one.id]) for one in row.group.entries)

    return [f"{row.rails} {words(row)}".rstrip() for row in draw(grouped(entries))]


def test_a_chain_is_one_line_straight_down() -> None:
    assert lines(entry(1, rule="import"), entry(2, 1, rule="probe"), entry(3, 2)) == ["● 3", "● 2", "● 1"]


def test_the_runs_of_an_average_are_one_line() -> None:
    runs = [entry(number, 1) for number in (2, 3, 4)]
    assert lines(entry(1, rule="import"), *runs, entry(5, 2, 3, 4, rule="combine")) == ["● 5", "● 4 3 2", "● 1"]


def test_what_has_a_name_or_another_purpose_stands_alone() -> None:
    runs = [entry(2, 1), entry(3, 1, name="v1"), entry(4, 1, task="cars"), entry(5, 1, round="r")]
    assert lines(entry(1, rule="import"), *runs, entry(6, 2, 3, 4, 5, rule="combine")) == [
        "● 6",
        "├─┬─┬─╮",
        "● │ │ │ 5",
        "│ ● │ │ 4",
        "├─╯ │ │",
        "│   ● │ 3",
        "├───╯ │",
        "│     ● 2",
        "├─────╯",
        "● 1",
    ]


def test_a_line_that_crosses_others_leaves_them_whole() -> None:
    found = lines(
        entry(1, rule="import"),
        entry(2, 1, rule="probe", task="a"),
        entry(3, 1, rule="probe", task="b"),
        entry(4, 2, 3, rule="combine"),
        entry(5, 4, 1, rule="combine", name="latest"),
    )
    assert found == ["● 5", "├─╮", "● │ 4", "├─│─╮", "● │ │ 3", "╰─┤ │", "  │ ● 2", "  ├─╯", "  ● 1"]


def test_parents_that_are_not_listed_are_shown_as_an_open_end() -> None:
    assert lines(entry(8, 7), entry(9, 8)) == ["● 9", "○ 8"]
    assert lines(entry(8, 7), entry(9, 8, 3)) == ["○ 9", "○ 8"]
    assert lines() == []


@given(
    st.lists(
        st.tuples(st.sets(st.integers(1, 12), max_size=4), st.sampled_from(["probe", "fine_tune", "combine"])),
        max_size=12,
    )
)
def test_whatever_the_history_each_version_stands_once_and_above_its_parents(
    made: list[tuple[set[int], RuleName]],
) -> None:
    entries = [
        entry(number, *sorted(parent for parent in parents if parent < number), rule=rule)
        for number, (parents, rule) in enumerate(made, 1)
    ]
    rows = list(draw(grouped(entries)))
    place = {one.id: i for i, row in enumerate(rows) if row.group is not None for one in row.group.entries}
    assert sorted(place) == sorted(one.id for one in entries)
    for one in entries:
        assert all(place[one.id] < place[parent.version] for parent in one.version.parents)
    # a rail that ends or begins does so at a version or at a joint, never in the air
    for above, below in pairwise(rows):
        for at in range(0, max(len(above.rails), len(below.rails)), 2):
            upper, lower = above.rails[at : at + 1] or " ", below.rails[at : at + 1] or " "
            if upper in "│╮╭┬├┤┼" or lower in "╯╰┴":
                assert lower in "│╯╰┴├┤┼●○"
