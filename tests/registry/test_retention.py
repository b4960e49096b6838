"""The retention policy on small histories: what keeps its weights, and why."""

import pytest

from registry.retention.policy import PolicyInput, PolicyVersion, kept

OLD, NEW = 100.0, 200.0


def run(round: str | None, *parents: str, created: float = OLD) -> PolicyVersion:
    return PolicyVersion("fine_tune", round, created, parents)


def mean(round: str | None, *parents: str, created: float = OLD) -> PolicyVersion:
    return PolicyVersion("combine", round, created, parents)


SPRING = {
    "sea": PolicyVersion("import", None, 1.0),
    "probe": PolicyVersion("probe", "spring", OLD, ("sea",)),
    "a": run("spring", "probe"),
    "b": run("spring", "probe"),
    "c": run("spring", "a"),
    "ab": mean("spring", "a", "b"),
    "abc": mean("spring", "ab", "c"),
}
OVER = {"autumn": NEW, "spring": OLD}


def test_what_is_old_and_was_never_released_goes_and_imports_stay() -> None:
    assert kept(PolicyInput(SPRING, over=OVER), 1) == {"sea": "import"}


def test_nothing_goes_while_there_are_fewer_rounds_than_are_kept() -> None:
    early = SPRING | {"stray": run(None, "probe", created=2.0)}
    assert kept(PolicyInput(early, over=OVER), 2).keys() == early.keys() - {"stray"}
    assert kept(PolicyInput(early, over=OVER), 3).keys() == early.keys()


def test_a_release_stays_with_its_parents_all_the_way_down_and_with_their_starts() -> None:
    assert kept(PolicyInput(SPRING, released={"abc"}, over=OVER), 1) == {
        "sea": "import",
        "abc": "released",
        "ab": "parent",
        "a": "parent",
        "b": "parent",
        "c": "parent",
        "probe": "start",
    }
    assert kept(PolicyInput(SPRING, released={"ab"}, over=OVER), 1).keys() == {"sea", "ab", "a", "b", "probe"}


def test_the_start_of_a_start_is_not_needed() -> None:
    assert kept(PolicyInput(SPRING, released={"c"}, over=OVER), 1).keys() == {"sea", "c", "a"}


def test_parents_of_a_start_are_not_needed() -> None:
    again = SPRING | {"d": run("spring", "ab")}
    assert kept(PolicyInput(again, released={"d"}, over=OVER), 1).keys() == {"sea", "d", "ab"}


@pytest.mark.parametrize("running", [True, False])
def test_a_round_keeps_its_own_and_what_it_builds_on(running: bool) -> None:
    autumn = SPRING | {"d": run("autumn", "probe", created=NEW), "bd": mean("autumn", "b", "d", created=NEW)}
    found = kept(
        PolicyInput(
            autumn,
            running={"autumn"} if running else set(),
            over={"winter": 300.0, "spring": OLD} if running else {"autumn": NEW, "spring": OLD},
            used={"autumn": {"a", "forgotten"}, "spring": {"c"}},
        ),
        1,
    )
    reason = "running" if running else "recent"
    assert found == {
        "sea": "import",
        "d": reason,
        "bd": reason,
        "a": reason,
        "b": "parent",
        "probe": "start",
    }


def test_what_belongs_to_no_round_goes_with_those_of_its_age() -> None:
    strays = {
        "old": run(None, "probe", created=OLD),
        "young": run(None, "probe", created=NEW),
        "unknown": run("elsewhere", "probe", created=NEW + 1),
    }
    assert kept(PolicyInput(SPRING | strays, over=OVER), 1).keys() == {"sea", "young", "unknown", "probe"}
