"""Pages hold together: links lead somewhere, and what they state of the code is so."""

import re
import tomllib
from urllib.parse import urlsplit

import pytest

from coordinator.commands import demo
from ratatouille.tasks.emoji.catalogue import CLASSES, SOURCES, emoji_tasks
from ratatouille.tasks.emoji.tree import code_points
from tests.docs.pages import BY_NAME, ROOT, anchors, blocks, links, text_of

DATA = text_of(ROOT / "docs" / "data.md")


@pytest.mark.parametrize("name", BY_NAME)
def test_every_link_leads_somewhere(name: str) -> None:
    page = BY_NAME[name]
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if parts.fragment:
            assert parts.fragment in anchors(target), link


@pytest.mark.parametrize("name", BY_NAME)
def test_every_page_has_one_title_and_closes_its_blocks(name: str) -> None:
    text = text_of(BY_NAME[name])
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", outside, re.MULTILINE)) == 1
    assert "```" not in outside


ROOMS = ("ratatouille", "registry", "coordinator", "contributor_client")
FILES = ("csv", "db", "json", "log", "md", "png", "proto", "toml")


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"docs/cli.md", "docs/files.md"}))
def test_what_a_page_names_in_the_code_is_there(name: str) -> None:
    for dotted in re.findall(r"`(\w+(?:\.\w+)+)`", text_of(BY_NAME[name])):
        first, *_, last = dotted.split(".")
        below = ROOT / "ratatouille" / first
        if last not in FILES and (first in ROOMS or below.is_dir() or below.with_suffix(".py").is_file()):
            assert is_there(dotted if first in ROOMS else f"ratatouille.{dotted}"), dotted


def is_there(dotted: str) -> bool:
    """Whether the beginning of a dotted name is a module, and the rest are words in it."""
    parts, path = dotted.split("."), ROOT
    while parts and (path / parts[0]).is_dir():
        path /= parts.pop(0)
    source = path / "__init__.py"
    if parts and (path / f"{parts[0]}.py").is_file():
        source = path / f"{parts.pop(0)}.py"
    return source.is_file() and all(re.search(rf"\b{part}\b", text_of(source)) for part in parts)


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"CHANGELOG.md"}))
def test_every_path_that_a_page_names_is_there(name: str) -> None:
    tops = "|".join((*ROOMS, "docs", "tests", "benchmarks", "examples"))
    text = text_of(BY_NAME[name])
    for path in re.findall(rf"`((?:{tops})/[\w./-]*)`", text):
        assert (ROOT / path).exists() or "Replaced by [decision" in text, path


@pytest.mark.parametrize("name", BY_NAME)
def test_no_page_has_a_sentence_that_hides_who_acts(name: str) -> None:
    assert not re.search(r"\bwhoever\b|\bvouch", text_of(BY_NAME[name]), re.IGNORECASE)


def test_the_readme_fits_two_screens() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 9 * 1024


def test_the_path_of_a_contribution_has_ten_hops_at_most_each_with_its_function() -> None:
    page = text_of(ROOT / "docs" / "architecture.md")
    table = page.partition("| | hop | function |\n|---|---|---|\n")[2].partition("\n\n")[0]
    hops = [line.strip("|").split("|") for line in table.splitlines()]
    assert [hop[0].strip() for hop in hops] == [str(number) for number in range(1, len(hops) + 1)]
    assert 5 < len(hops) <= 10
    for _, _, function in hops:
        assert all(is_there(dotted) for dotted in re.findall(r"`([\w.]+)`", function))
        assert "`" in function


def test_the_chains_of_imports_on_the_page_of_architecture_are_those_of_the_contracts() -> None:
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = [[set(layer.split(" | ")) for layer in one["layers"]] for one in contracts if one["type"] == "layers"]
    page = " ".join(text_of(ROOT / "docs" / "architecture.md").split())
    chains = [chain.split(" → ") for chain in re.findall(r"`([\w| ]+(?: → [\w| ]+)+)`", page)]
    assert len(chains) == len(layers)
    for chain, contract in zip(chains, layers, strict=True):
        places = [next(at for at, layer in enumerate(contract) if set(one.split(" | ")) <= layer) for one in chain]
        assert places == sorted(set(places)), chain


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*/README.md"), ROOT / "CONTRIBUTING.md"]
    assert {page for page in pages if page != index} - linked == set()


def test_sources_and_licences_are_those_of_the_code() -> None:
    for source in SOURCES.values():
        (line,) = [line for line in DATA.splitlines() if line.startswith(f"| {source.style} |")]
        for fact in (source.package, source.form, source.licence, source.credit):
            assert fact in line


def test_emoji_tasks_and_their_counts_are_those_of_the_code() -> None:
    for name, task in emoji_tasks().items():
        count = sum(map(len, code_points(name).values()))
        assert f"| {name} | {task.kind} | {len(CLASSES[name])} | {count} |" in DATA


def test_the_page_of_the_protocol_names_what_the_demo_holds_out() -> None:
    assert f"`{demo.HELD_OUT}`" in text_of(ROOT / "docs" / "emoji-protocol.md")


def test_no_page_names_a_place_of_one_machine() -> None:
    for name, page in BY_NAME.items():
        assert not re.search(r"(?<![\w.~`])/(?:home|root|work|tmp|Users)/", text_of(page)), name


def test_shell_snippets_use_targets_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE)
    for block in blocks("sh"):
        for line in block.text.splitlines():
            if line.startswith("make "):
                assert line.split()[1] in targets, block.where
