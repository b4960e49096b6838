import re
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.tasks.domainbed import DATA_SETS, data_set_named
from ratatouille.tasks.domainbed.files import task_of

METHOD = {
    "PACS": (4, 7),
    "VLCS": (4, 5),
    "OfficeHome": (4, 65),
    "TerraIncognita": (4, 10),
    "DomainNet": (6, 345),
    "Camelyon17-WILDS": (5, 2),
}
"""docs/method.md §2: domains and classes of each data set."""


def test_the_table_has_the_paper_s_data_sets_with_their_domains_and_classes() -> None:
    assert {row.title: (len(row.domains), len(row.classes)) for row in DATA_SETS.values()} == METHOD
    assert DATA_SETS["vlcs"].domains == ("Caltech", "LabelMe", "SUN", "VOC")
    assert DATA_SETS["terra-incognita"].domains == ("L100", "L38", "L43", "L46")
    assert DATA_SETS["domain-net"].domains == ("clip", "info", "paint", "quick", "real", "sketch")


@pytest.mark.parametrize("name", DATA_SETS)
def test_classes_are_in_the_order_of_sorted_folders_and_make_a_task(name: str) -> None:
    row = DATA_SETS[name]
    assert list(row.classes) == sorted(set(row.classes))
    task = task_of(row, "auxiliary")
    assert (task.name, task.kind, task.domains, task.classes) == (name, "auxiliary", row.domains, row.classes)


def test_capitals_come_first_in_that_order() -> None:
    assert DATA_SETS["office-home"].classes[58:60] == ("TV", "Table")
    assert DATA_SETS["domain-net"].classes[:4] == (
        "The_Eiffel_Tower",
        "The_Great_Wall_of_China",
        "The_Mona_Lisa",
        "aircraft_carrier",
    )


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_layout_leads_to_the_domains_of_the_data_set(name: str) -> None:
    row = DATA_SETS[name]
    for layout in row.layouts:
        assert layout.holds
        if layout.rows is None:
            assert sorted(layout.domains.values()) == sorted(row.domains)
        assert not Path(layout.folder).is_absolute()
    assert re.match(r"https://\S+", row.source)


@pytest.mark.parametrize("name", ["PACS", "pacs", "OfficeHome", "office_home", "Camelyon17-WILDS"])
def test_a_name_is_found_however_it_is_written(name: str) -> None:
    assert data_set_named(name).title.lower().replace("-", "") == name.lower().replace("_", "").replace("-", "")


def test_an_unknown_data_set_is_refused_with_those_there_are() -> None:
    with pytest.raises(Refusal, match=r"no data set 'imagenet' here; there are 'pacs', 'vlcs', 'office-home'"):
        data_set_named("imagenet")


PAGE = (Path(__file__).parents[4] / "docs" / "datasets.md").read_text()


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_page_says_what_the_table_says(name: str) -> None:
    row = DATA_SETS[name]
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    for fact in (row.domains[0], row.domains[-1], str(len(row.classes)), row.layouts[0].folder, row.source):
        assert fact in line
    for layout in row.layouts:
        for part in (*layout.holds, *([] if layout.folder == "." else [layout.folder])):
            assert part in PAGE
