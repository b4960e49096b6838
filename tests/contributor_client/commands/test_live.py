"""The live line of `node join`: it fits a narrow terminal, and elsewhere lines come when the work changes."""

import pytest
from rich.cells import cell_len

from contributor_client.activity import Activity
from contributor_client.commands.live import clauses, fitted, showing

AT_WORK = Activity(
    task="leaves",
    label="soup run 3 of 5",
    doing="training, loss 0.500",
    done=120,
    total=300,
    since=1000.0,
    since_done=20,
    answered=7,
    sent=14_000_000,
    received=350_000_000,
    problem="soup run 2 of 5: the image '/home/anna/images/tomato rust/0001.png' changed since the data was opened",
)


def test_a_line_says_task_step_time_left_purpose_runs_bytes_and_the_last_problem() -> None:
    said = clauses("working", AT_WORK, 1200.0)
    assert said[:5] == [
        "leaves: training 120 of 300",
        "about 6 min left",
        "soup run 3 of 5",
        "7 done",
        "sent 14.0 MB, received 350.0 MB",
    ]
    assert said[5].startswith("last problem: soup run 2 of 5: the image")
    assert clauses("working", AT_WORK, 1200.0, verbose=True)[0] == "leaves: training, loss 0.500 120 of 300"


def test_a_node_that_waits_or_rests_says_so() -> None:
    assert clauses("working", Activity(), 0.0) == ["waiting for work"]
    assert clauses("paused", AT_WORK, 0.0)[0] == "paused"


@pytest.mark.parametrize("width", [60, 61, 80, 81])
@pytest.mark.parametrize("sign", ["\u56fe", "\U0001f345", "e\u0301"], ids=["wide", "emoji", "combining"])
def test_a_problem_is_cut_by_cells_of_the_terminal(width: int, sign: str) -> None:
    line = fitted(clauses("working", Activity(problem=sign * 300), 0.0), width)
    assert width - 1 <= cell_len(line) <= width
    assert line.endswith((f"{sign}…", f"{sign} …")), "where half of a wide sign has room, its cell is left empty"


@pytest.mark.parametrize("width", [40, 60, 80, 120, 400])
def test_a_line_fits_the_terminal_and_cuts_no_number(width: int) -> None:
    said = clauses("working", AT_WORK, 1200.0)
    line = fitted(said, width)
    assert cell_len(line) <= width
    for clause in line.split(" · "):
        assert clause in said or clause.startswith("last problem: ")


def test_elsewhere_than_on_a_terminal_a_line_comes_when_the_work_changes(capsys: pytest.CaptureFixture[str]) -> None:
    idle = Activity()
    with showing(verbose=False, quiet=False) as show:
        for activity in (idle, idle, AT_WORK, AT_WORK.model_copy(update={"done": 121}), idle):
            show("working", activity)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" · ")[0] for line in lines] == [
        "waiting for work",
        "leaves: training 120 of 300",
        "waiting for work",
    ]


def test_a_quiet_node_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with showing(verbose=False, quiet=True) as show:
        show("working", AT_WORK)
    assert capsys.readouterr().out == ""
