"""What the pages show can be typed: files parse with the real records, commands with the real command line."""

import ast
import shlex
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from coordinator.commands.files import Kind, template
from coordinator.settings import RoundSettings, read_round_settings
from docs.cli import loaded
from ratatouille.cli.table import COMMANDS
from ratatouille.recipes.protocol import resolve_protocol
from ratatouille.recipes.recipe import recipe_named
from ratatouille.tasks.folder import rows_of_folder
from ratatouille.tasks.manifest import rows_of_manifest
from ratatouille.tasks.node import NodeSettings, read_node_settings
from ratatouille.tasks.source import Row, examples_of
from ratatouille.tasks.task import Task, load_task
from tests.docs.pages import Block, blocks

TOML = blocks("toml")
KINDS: dict[str, Callable[[Path], Task | NodeSettings | RoundSettings]] = {
    "task": load_task,
    "node": read_node_settings,
    "round": read_round_settings,
}


def read(block: Block, folder: Path) -> Task | NodeSettings | RoundSettings:
    """A snippet's first line is a comment with the file's name: what.kind.toml or kind.toml."""
    name = block.text.partition("\n")[0].removeprefix("# ")
    path = folder / name
    path.write_text(block.text, encoding="utf-8")
    return KINDS[name.removesuffix(".toml").rpartition(".")[2]](path)


def the(name: str, folder: Path) -> Task | NodeSettings | RoundSettings:
    """The tutorial's file of this name."""
    (block,) = [block for block in TOML if block.page == "docs/tutorial.md" and block.text.startswith(f"# {name}\n")]
    return read(block, folder)


@pytest.mark.parametrize("block", TOML, ids=lambda block: block.where)
def test_every_toml_snippet_is_a_usable_file(block: Block, tmp_path: Path) -> None:
    settings = read(block, tmp_path)
    if isinstance(settings, RoundSettings):
        changes = dict(settings.protocol)
        resolve_protocol(changes.pop("name", "domainbed"), changes)
        for recipe in settings.recipes:
            recipe_named(recipe)
    assert tomllib.loads(block.text)


def test_there_are_snippets_of_every_kind_of_file() -> None:
    shown = {block.text.partition("\n")[0].removesuffix(".toml")[2:].rpartition(".")[2] for block in TOML}
    assert shown == set(KINDS)


def test_the_tutorial_s_files_fit_together(tmp_path: Path) -> None:
    target, auxiliary = the("leaves.task.toml", tmp_path), the("flowers.task.toml", tmp_path)
    node, round = the("node.toml", tmp_path), the("round.toml", tmp_path)
    assert isinstance(target, Task)
    assert isinstance(auxiliary, Task)
    assert isinstance(node, NodeSettings)
    assert isinstance(round, RoundSettings)
    assert (target.kind, auxiliary.kind) == ("target", "auxiliary")
    assert round.target == target.name
    assert set(round.held_out) < set(target.domains)
    assert [table.task for table in node.data] == [target.name, auxiliary.name]
    rows = [Row("field/tomato rust/plant12_a.jpg", "tomato rust", "field")]
    (example,) = examples_of(rows, tmp_path, target, node.data[0])[0]
    assert (target.classes[example.label], example.domain, example.group) == ("rust", "field", "plant12")


def test_the_folders_and_the_manifest_of_the_data_page_are_read_as_it_says(tmp_path: Path) -> None:
    task = the("leaves.task.toml", tmp_path)
    assert isinstance(task, Task)
    files = ["cam1/ok/p01_0.jpg", "cam1/ok/p01_1.jpg", "cam1/tomato rust/p07_0.jpg", "cam1/unsure/p09_0.jpg"]
    files += ["cam2/ok/p02_0.jpg", "cam2/blight/p11_0.jpg"]
    (manifest,) = blocks("csv")
    files += [f"../data/{line.partition(',')[0]}" for line in manifest.text.splitlines()[1:]]
    for file in files:
        (tmp_path / "pictures" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / file).touch()
    (tmp_path / "data" / "leaves.csv").write_text(manifest.text)
    nodes = [read(block, tmp_path) for block in TOML if block.page == "docs/data.md"]
    by_name = {node.name: node.data[0] for node in nodes if isinstance(node, NodeSettings)}
    rows, _ = rows_of_folder(by_name["bruno"].path)
    examples, left_out = examples_of(rows, by_name["bruno"].path, task, by_name["bruno"])
    assert [(one.domain, task.classes[one.label], one.group) for one in examples] == [
        ("greenhouse", "healthy", "p01"),
        ("greenhouse", "healthy", "p01"),
        ("greenhouse", "rust", "p07"),
        ("field", "blight", "p11"),
        ("field", "healthy", "p02"),
    ]
    assert len(left_out) == 1
    stated, _ = rows_of_manifest(by_name["chiara"].path)
    assert [(row.domain, row.group, row.split) for row in stated] == [
        ("greenhouse", "plant-17", None),
        ("field", "plant-18", "train"),
        ("phone", "plant-90", "validation"),
    ]
    assert len(examples_of(stated, tmp_path / "data", task, by_name["chiara"])[0]) == 3


def commands() -> list[tuple[str, list[str]]]:
    """Every line `ratatouille …` of a shell snippet, without its comment."""
    lines = [(block.where, line) for block in blocks("sh") for line in block.text.splitlines()]
    return [(where, shlex.split(line, comments=True)) for where, line in lines if line.startswith("ratatouille ")]


def test_the_readme_s_commands_name_what_the_commented_files_name() -> None:
    kinds: tuple[Kind, ...] = ("task", "node", "round")
    task, node, round = (tomllib.loads(template(kind).decode()) for kind in kinds)
    words = [word for where, line in commands() if where.startswith("README.md:") for word in line]
    assert {f"{task['name']}.task.toml", round["name"]} <= set(words)
    assert {round["target"], node["data"][0]["task"]} == {task["name"]}
    assert set(round["held_out"]) < set(task["domains"])


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_there_are_commands_in_the_readme_and_in_the_tutorial(page: str) -> None:
    assert sum(where.startswith(f"{page}:") for where, _ in commands()) > 10


@pytest.mark.parametrize(("where", "words"), commands(), ids=lambda value: str(value))
def test_every_command_line_of_the_pages_is_understood(where: str, words: list[str]) -> None:
    (row,) = [row for row in COMMANDS if list(row.path) == words[1 : 1 + len(row.path)]]
    command = loaded(row)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with click.Context(command, info_name=" ".join(row.path)) as context:
            command.parse_args(context, words[1 + len(row.path) :])


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.where)
def test_python_snippets_parse(block: Block) -> None:
    ast.parse(block.text)
