from __future__ import annotations

import pytest

from ratatouille.exchange.assignment import Cell
from tests.ratatouille.cli.call import call
from tests.registry.world import World


@pytest.fixture
def counted(history: dict[str, str], world: World) -> dict[str, str]:
    """The average counted on two domains, the trainings on one."""
    for name, matrix in (("first", ((4, 0), (0, 4))), ("average", ((2, 2), (0, 4)))):
        entry = world.registry.versions.show(history[name]).entry
        result = world.registry.work.results([entry.work_id])[entry.work_id]
        domain = "sketch" if name == "first" else "photo"
        world.work(world.evaluation(result, matrix, Cell(domain=domain, split="test")), {})
    return history


def test_versions_are_ranked_by_the_mean_over_the_most_domains(counted: dict[str, str]) -> None:
    header, row, about = call("best", "--task", "pets").out.splitlines()
    assert header.split()[:2] == ["version", "made"]
    cells = row.split()
    assert cells[:2] == ["1", counted["average"][:10]]
    # 7 of 8 sketches, 6 of 8 photos
    assert cells[-6:] == ["81.2", "18.2", "75.0", "87.5", "16", "latest"]
    assert about == (
        "Versions for pets by accuracy in percent: the mean over 2 domains (photo, sketch), split test, trial 0."
    ).replace(", trial 0", "")


def test_one_domain_ranks_all_that_were_counted_on_it(counted: dict[str, str]) -> None:
    found = call("best", "--task", "pets", "--domain", "sketch", "--json").json
    assert [one["entry"]["id"] for one in found["versions"]] == [counted["first"], counted["average"]]
    assert (found["metric"], found["split"], found["domains"]) == ("accuracy", "test", ["sketch"])
    assert call("best", "--task", "pets", "--domain", "sketch").out.endswith("domain sketch, split test.\n")
    assert len(call("best", "--task", "pets", "--domain", "sketch", "-n", 1, "--json").json["versions"]) == 1
    validated = call("best", "--task", "pets", "--split", "validation", "--json").json
    assert {one["entry"]["id"] for one in validated["versions"]} == {counted["first"], counted["second"]}


def test_what_cannot_be_ranked_is_refused_in_one_sentence(counted: dict[str, str], world: World) -> None:
    call("best", "--task", "cars").refused("cars")
    call("best", "--task", "pets", "--trial", 3).refused("no version for pets was counted")
    call("best", "--task", "pets", "--domain", "film").refused("film", "there are counts on test, validation")
