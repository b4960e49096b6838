"""Each recipe has one page, and what the pages say of rows and values is what the code says."""

import re

import pytest

from coordinator.settings import RoundSettings
from ratatouille.cli.table import COMMANDS
from ratatouille.recipes.columns import COMBINATIONS, KEEPS, STARTS
from ratatouille.recipes.protocol import PROTOCOLS, Protocol
from ratatouille.recipes.recipe import RECIPES, Recipe
from tests.docs.pages import ROOT, text_of

FOLDER = ROOT / "docs" / "systems"
INDEX = FOLDER / "README.md"
PAGES = {page.stem: text_of(page) for page in sorted(FOLDER.glob("*.md")) if page != INDEX}
ROWS = "| recipe | starts | keeps | combines |"
VALUES = "| value | `domainbed` | `emoji` | meaning |"
SYSTEMS = "| system | recipes | in one sentence | trainings of its own | networks at inference |"
SECTIONS = [
    "Formula",
    "Row",
    "Protocol values",
    "Cost",
    "When it helps",
    "Differences from the reference",
    "Run it",
    "Source",
]
NAMES = (
    {*Protocol.model_fields, *RoundSettings.model_fields, *PROTOCOLS}
    | {*RECIPES, *STARTS, *KEEPS, *COMBINATIONS}
    | {row.path[-1] for row in COMMANDS}
)


def table(text: str, header: str) -> list[list[str]]:
    """Cells of the rows below a header, without backticks; none where a page has no such table."""
    rows = text.partition(f"{header}\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


def described(recipe: Recipe) -> list[str]:
    return [recipe.name, recipe.starts, recipe.keeps or "–", recipe.combines]


def test_every_recipe_is_a_row_of_exactly_one_page_with_its_three_columns() -> None:
    shown = [row for text in PAGES.values() for row in table(text, ROWS)]
    assert sorted(shown) == sorted(map(described, RECIPES.values()))


@pytest.mark.parametrize("name", [name for name in PAGES if ROWS in PAGES[name]])
def test_every_page_of_a_recipe_has_the_same_sections_and_a_command_that_runs_it(name: str) -> None:
    text = PAGES[name]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    (command,) = re.findall(r"^ratatouille round run round\.toml --recipes (.+)$", text, re.MULTILINE)
    assert {row[0] for row in table(text, ROWS)} & set(command.split(","))
    assert set(command.split(",")) <= set(RECIPES)


@pytest.mark.parametrize("name", PAGES)
def test_the_values_of_a_page_are_those_of_the_protocols(name: str) -> None:
    for value, domainbed, emoji, _ in table(PAGES[name], VALUES):
        for protocol, cell in (("domainbed", domainbed), ("emoji", emoji)):
            said = getattr(PROTOCOLS[protocol], value)
            if isinstance(said, str):
                assert cell == said, value
            else:
                numbers = said if isinstance(said, tuple) else (said,)
                assert tuple(map(float, cell.split(","))) == numbers, (value, protocol)


@pytest.mark.parametrize("name", ["README", *PAGES])
def test_every_word_in_backticks_is_a_name_of_the_code(name: str) -> None:
    text = re.sub(r"^```.*?^```$", "", text_of(FOLDER / f"{name}.md"), flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)*)`", text)) <= NAMES


def test_every_value_that_belongs_to_some_systems_only_is_on_a_page() -> None:
    explained = {row[0] for text in PAGES.values() for row in table(text, VALUES)}
    common = set(re.findall(r"`(\w+)`", text_of(INDEX)))
    assert set(Protocol.model_fields) - explained - common == {"name", "augmentation"}


def test_the_index_names_every_page_and_every_recipe_where_its_row_is() -> None:
    index = table(text_of(INDEX), SYSTEMS)
    listed = {re.findall(r"\]\(([\w-]+)\.md\)", row[0])[0]: re.findall(r"\w+", row[1]) for row in index}
    assert set(listed) == set(PAGES)
    for name, text in PAGES.items():
        if ROWS in text:
            assert listed[name] == [row[0] for row in table(text, ROWS)]
