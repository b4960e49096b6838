"""Generated blocks inside of written pages: the text between `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""

from __future__ import annotations

from pathlib import Path


def replaced(page: Path, name: str, block: str) -> str:
    """The text of a page with a new block of this name.

    Raises:
        ValueError: when the page has no such markers.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, opening, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closing, after = rest.partition(end)
    if not (opening and closing):
        raise ValueError(f"{page} has no {begin} … {end}")
    return f"{before}{begin}\n{block}\n{end}{after}"
