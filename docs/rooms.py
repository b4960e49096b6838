"""Writes the room table in docs/architecture.md: each folder with one line, the first of its package's docstring.

`python -m docs.rooms` writes; a test compares.
"""

from __future__ import annotations

import ast
from pathlib import Path

from docs.blocks import replaced

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"

PACKAGES = ("ratatouille", "registry", "coordinator", "contributor_client", "docs", "benchmarks")
"""Top-level folders whose packages say what they are."""
PLAIN = {
    "examples": "Notebooks to run and change.",
    "tests": "Tests. The folders mirror those above, and a test's name is a sentence.",
}
"""Top-level folders that are no packages."""


def rooms() -> dict[str, str]:
    """Folder → what it is: every top-level folder, and every package directly in one."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        inner = sorted(path.parent for path in (ROOT / name).glob("*/__init__.py"))
        for folder in (ROOT / name, *inner):
            found[str(folder.relative_to(ROOT))] = first_line(folder / "__init__.py")
    return found | PLAIN


def first_line(source: Path) -> str:
    """The first line of a module's docstring; empty for one without."""
    return (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def table() -> str:
    """The rows in Markdown; the top-level folders stand out."""
    rows = [f"| {_shown(name)} | {line} |" for name, line in rooms().items()]
    return "\n".join(["| room | what it is |", "|---|---|", *rows])


def page() -> str:
    """docs/architecture.md as it should be."""
    return replaced(PAGE, "rooms", table())


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def _shown(name: str) -> str:
    return f"`{name}/`" if "/" in name else f"**`{name}/`**"


if __name__ == "__main__":
    main()
