"""Which rounds a benchmark consists of."""

from pathlib import Path

import pytest

from coordinator.benchmark.suite import Wishes, rounds
from coordinator.benchmark.suites import domainbed_suite, emoji_suite
from ratatouille.errors import Refusal
from ratatouille.recipes.recipe import PAPER
from ratatouille.tasks.domainbed import data_set_named
from tests.ratatouille.tasks.domainbed.trees import folders

ALL = Wishes(None, (), {})


def test_a_whole_trial_comes_before_the_next_and_a_second_setting_runs_only_what_uses_auxiliary_tasks() -> None:
    wishes = Wishes(2, ("vanilla", "soup", "ratatouille"), {"name": "emoji"})
    planned = rounds("b", "shapes", [("ink",)], ("strict", "lenient"), wishes, 5)
    assert [(one.trial, one.setting, one.settings.recipes) for one in planned] == [
        (0, "strict", ("vanilla", "soup", "ratatouille")),
        (0, "lenient", ("ratatouille",)),
        (1, "strict", ("vanilla", "soup", "ratatouille")),
        (1, "lenient", ("ratatouille",)),
    ]
    assert len({one.settings.name for one in planned}) == 4


def _laid_out(folder: Path, *names: str) -> Path:
    for name in names:
        row = data_set_named(name)
        layout = row.layouts[0]
        folders(folder / layout.folder, tuple(layout.domains), row.classes)
    return folder


def test_domainbed_holds_every_domain_out_in_turn_with_the_other_sets_as_auxiliary_tasks(tmp_path: Path) -> None:
    data = _laid_out(tmp_path / "data", "pacs", "vlcs")
    suite = domainbed_suite(tmp_path, data, ["vlcs"], None, None, ALL)
    assert [one.settings.held_out for one in suite.rounds[:4]] == [("Caltech",), ("LabelMe",), ("SUN",), ("VOC",)]
    assert len(suite.rounds) == 4 * 3
    first = suite.rounds[0].settings
    assert first.auxiliaries == ("pacs",)
    # The paper's auxiliary runs see all domains, and PACS has an `Art` as OfficeHome has.
    assert first.auxiliary_domains == "lenient"
    assert first.protocol == {
        "name": "domainbed",
        "evaluate_every": 50,
        "auxiliary_evaluate_every": 100,
        "swad_ratio": 0.2,
    }
    assert first.recipes == PAPER
    assert [task.name for task in suite.tasks] == ["pacs", "vlcs"]
    assert [node.data[0].task for node in suite.nodes] == ["pacs", "vlcs"]


def test_domainbed_takes_every_set_that_is_there_unless_targets_are_named(tmp_path: Path) -> None:
    data = _laid_out(tmp_path / "data", "pacs", "vlcs")
    suite = domainbed_suite(tmp_path, data, [], None, None, Wishes(1, ("soup",), {"steps": 7}))
    assert [one.settings.target for one in suite.rounds] == ["pacs"] * 4 + ["vlcs"] * 4
    assert {one.settings.protocol["steps"] for one in suite.rounds} == {7}


def test_a_target_that_is_not_there_is_refused_with_the_folder_and_where_people_get_it(tmp_path: Path) -> None:
    data = _laid_out(tmp_path / "data", "pacs")
    with pytest.raises(Refusal, match=r"VLCS was expected in .*VLCS.* get it from https"):
        domainbed_suite(tmp_path, data, ["vlcs"], None, None, ALL)
    with pytest.raises(Refusal, match="holds none of the data sets' folders"):
        domainbed_suite(tmp_path, tmp_path / "nothing", [], None, None, ALL)


def test_emoji_needs_the_packages_of_npm_when_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="run `npm install emoji-datasource-google @lobehub/fluent-emoji-3d`"):
        emoji_suite(tmp_path, ALL, tmp_path / "node_modules")
