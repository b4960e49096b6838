from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratatouille.errors import Refusal
from ratatouille.tasks.data import LocalData, open_data
from ratatouille.tasks.domainbed import DATA_SETS, DataSet, Prepared, prepare
from ratatouille.tasks.domainbed.files import manifest_of
from ratatouille.tasks.manifest import rows_of_manifest
from ratatouille.tasks.node import open_holdings, read_node_settings
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.source import Row
from ratatouille.tasks.task import load_task
from tests.ratatouille.tasks.domainbed.trees import every_folder_layout, folders

LAYOUTS = list(every_folder_layout())


def laid_out(row: DataSet, place: int, root: Path) -> Path:
    layout = row.layouts[place]
    folders(root / layout.folder, list(layout.domains), row.classes)
    return root


def opened(prepared: Prepared) -> LocalData:
    """The data as a node opens it, from what was written alone."""
    task = load_task(prepared.task)
    found = open_holdings(read_node_settings(prepared.node), {task.name: task}.__getitem__, Path(prepared.node.parent))
    (data,) = found.values()
    return data


@pytest.mark.parametrize(
    ("row", "place"), LAYOUTS, ids=[f"{row.name} in {row.layouts[place].folder} {place}" for row, place in LAYOUTS]
)
def test_every_layout_of_folders_is_opened_as_the_task(row: DataSet, place: int, tmp_path: Path) -> None:
    prepared = prepare(row, laid_out(row, place, tmp_path / "data"), tmp_path / "out", "auxiliary")
    assert prepared.manifest is None
    data = opened(prepared)
    assert data.task.kind == "auxiliary"
    assert data.holding.domains == tuple(sorted(row.domains))
    assert len(data) == len(row.domains) * len(row.classes)
    for domain, folder in ((row.layouts[place].domains[name], name) for name in row.layouts[place].domains):
        example = data.listing[int(data.examples(domain)[-1])]
        assert example.path.relative_to(prepared.folder).parts[:2] == (folder, row.classes[example.label])
        assert example.group == "/".join(example.path.relative_to(prepared.folder).parts)


def test_a_repeated_command_changes_nothing_and_other_files_are_kept_unless_forced(tmp_path: Path) -> None:
    row = DATA_SETS["vlcs"]
    laid_out(row, 0, tmp_path)
    first = prepare(row, tmp_path, tmp_path)
    assert prepare(row, tmp_path, tmp_path) == first
    before = first.node.read_bytes()
    with pytest.raises(Refusal, match=r"vlcs\.task\.toml' exists already and says something else"):
        prepare(row, tmp_path, tmp_path, "auxiliary")
    assert first.node.read_bytes() == before
    assert load_task(prepare(row, tmp_path, tmp_path, "auxiliary", force=True).task).kind == "auxiliary"


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_missing_folder_is_named_with_where_people_get_it(name: str, tmp_path: Path) -> None:
    row = DATA_SETS[name]
    with pytest.raises(Refusal) as refusal:
        prepare(row, tmp_path / "data", tmp_path / "out")
    sentence = str(refusal.value)
    assert sentence.startswith(f"{row.title} was expected in '{tmp_path / 'data' / row.layouts[0].folder}' with ")
    assert "there is no such folder" in sentence
    assert f"get it from {row.source}" in sentence
    assert f"holds '{row.layouts[0].folder}' with --data-dir" in sentence
    assert "\n" not in sentence
    assert not (tmp_path / "out").exists()


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    folders(tmp_path / "PACS", ["art_painting", "cartoon", "sketch"], ["dog"])
    with pytest.raises(Refusal, match=r"expected in '.*/PACS' with 'art_painting', .*, but it has no 'photo'; get it"):
        prepare(DATA_SETS["pacs"], tmp_path, tmp_path)
    (tmp_path / "VLCS").mkdir()
    with pytest.raises(Refusal, match="but it has none of them"):
        prepare(DATA_SETS["vlcs"], tmp_path, tmp_path)


def test_a_class_that_the_data_set_does_not_have_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    row = DATA_SETS["vlcs"]
    laid_out(row, 0, tmp_path)
    folders(tmp_path / "VLCS", ["SUN09"], ["cat"])
    with pytest.raises(Refusal, match=r"labels that are no class of task 'vlcs': 'cat'"):
        opened(prepare(row, tmp_path, tmp_path))


def test_a_path_may_have_any_signs_that_a_folder_may_have(tmp_path: Path) -> None:
    root = tmp_path / 'my "data"\\ ü'
    data = opened(prepare(DATA_SETS["vlcs"], laid_out(DATA_SETS["vlcs"], 0, root), tmp_path))
    assert len(data) == 20


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1)
parts = cells.filter(lambda text: not set(text) & set("/\\:") and text.strip(".") != "" and len(text.encode()) < 80)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(parts, cells, cells, cells), min_size=1, max_size=6, unique_by=lambda row: row[0]))
def test_a_manifest_is_read_back_as_the_rows_it_was_written_from(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str, str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    rows = [Row(f"{file}.png", label, domain, group) for file, label, domain, group in values]
    for row in rows:
        (folder / row.file).touch()
    (folder / "list.csv").write_bytes(manifest_of(rows))
    assert rows_of_manifest(folder / "list.csv") == (rows, [])


def test_subsets_need_a_word_of_the_owner(tmp_path: Path) -> None:
    row = DATA_SETS["pacs"]
    folders(tmp_path / "PACS", list(row.layouts[0].domains), row.classes[:-1])
    prepared = prepare(row, tmp_path, tmp_path)
    with pytest.raises(Refusal, match=r"has no image of 'person'; add some, or set missing_classes = \"allow\""):
        opened(prepared)
    table = read_node_settings(prepared.node).data[0]
    allowed = DataSettings(path=table.path, domains=table.domains, missing_classes="allow")
    assert len(open_data(load_task(prepared.task), allowed)) == 24
