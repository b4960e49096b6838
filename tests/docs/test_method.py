"""References to docs/method.md name sections that it has."""

import re

from tests.docs.pages import ROOT, sources, text_of

REFERENCE = re.compile(r"docs/method\.md(?:\s+)?((?:(?:,\s|\sand\s|,\sand\s)?§\d+(?:\.\d+)?)*)")
HEADINGS = re.findall(r"^##+ (\d+(?:\.\d+)?)\.? ", text_of(ROOT / "docs" / "method.md"), re.MULTILINE)


def references() -> list[tuple[str, list[str]]]:
    """Every mention of the page in code and tests: where, and the sections that it names."""
    return [
        (f"{path.relative_to(ROOT)}: {match[0]}", re.findall(r"§([\d.]*\d)", match[1]))
        for path in sources()
        if path.name != "test_method.py" and path.parent != ROOT / "docs"
        for match in REFERENCE.finditer(text_of(path))
    ]


def test_every_reference_to_the_method_names_sections_that_exist() -> None:
    found = references()
    assert len(found) > 50
    for where, sections in found:
        assert sections, where
        assert set(sections) <= set(HEADINGS), where


def test_the_sections_of_the_method_are_numbered_in_order() -> None:
    numbers = [tuple(map(int, heading.split("."))) for heading in HEADINGS]
    assert numbers == sorted(set(numbers))


def test_no_page_and_no_code_names_a_specification_that_is_not_there() -> None:
    for path in sources():
        assert "METHOD" + ".md" not in text_of(path), path
