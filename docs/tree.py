"""Rewrites the tree in README.md: every file with one line about it, taken from the file itself.

A Python file says it in the first sentence of its docstring, a page or notebook in its first heading, any other file
in its first comment. Files that cannot say it themselves have a line in `NAMED`. Tests are listed by folder.

`python -m docs.tree` writes; a test compares.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- tree:begin -->", "<!-- tree:end -->"

NAMED = {
    ".ci/run": "What continuous integration runs on a clean checkout.",
    ".gitignore": "What git leaves alone.",
    "LICENSE": "Apache License 2.0.",
    "README.md": "This page.",
    "constraints.txt": "Exact versions of everything that `make` installs.",
    "coordinator/benchmark/templates/page.html.jinja": "The report of a benchmark as one page.",
    "coordinator/benchmark/templates/report.md.jinja": "The report of a benchmark in Markdown.",
    "pyproject.toml": "Packaging, what each role installs, the rules of style and types, and who may import whom.",
    "ratatouille/py.typed": "Says to type checkers that the package has types.",
    "registry/migrations/script.py.mako": "Alembic's template for a new migration.",
    "registry/proto/registry_pb2.py": "Generated from registry.proto.",
    "registry/proto/registry_pb2.pyi": "Types of the generated messages.",
}
WHAT = {".png": "Figure.", ".svg": "Figure.", ".json": "The numbers.", ".csv": "The numbers."}
"""Files that say nothing of themselves."""

ROOMS = {
    "ratatouille": "the method: weights and data in, better weights out; knows no network and no database",
    "coordinator": "runs rounds",
    "contributor_client": "works: a contributor's node",
    "registry": "remembers: versions, weights, who made what from what",
    "docs": "pages, decision records, and the scripts that generate pages",
    "benchmarks": "measurements against peers or limits, in the same run",
    "examples": "notebooks to run and change",
    "tests": "mirror the tree; a test's name is a sentence",
}


def tracked() -> list[str]:
    """Every file of the project that git knows and that is there, as a path from the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def described(name: str) -> str:
    """One line about a file; empty for one that does not say what it is."""
    if name in NAMED:
        return NAMED[name]
    path = ROOT / name
    if path.suffix == ".py":
        return _sentence(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    if path.suffix in (".toml", ".proto", ".mk", ".js") or path.name == "Makefile":
        return _sentence(_first_comment(path.read_text(encoding="utf-8")))
    if path.suffix in (".css", ".jinja"):
        comment = re.match(r"(?:/\*|{#) (.+?) (?:\*/|#})", path.read_text(encoding="utf-8"), re.DOTALL)
        return _sentence(comment[1]) if comment else ""
    if path.suffix == ".ipynb":
        return _sentence(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"][0].removeprefix("# "))
    if path.suffix == ".md":
        heading = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        return heading[1] if heading else ""
    if path.suffix == ".html":
        title = re.search(r"<title>(.+?)</title>", path.read_text(encoding="utf-8"))
        return f"{title[1]}." if title else ""
    return WHAT.get(path.suffix, "")


def tree() -> str:
    """The text between the markers: the files of the root, then one folded block for each room."""
    files = tracked()
    lines = [*_block([name for name in files if "/" not in name or name.startswith(".")])]
    for room, about in ROOMS.items():
        inside = [name for name in files if name.startswith(f"{room}/")]
        if inside:
            shown = _folders(inside) if room == "tests" else _block(inside)
            summary = f"<summary><b>{room}/</b>: {escape(about, quote=False)}</summary>"
            lines += ["<details>", summary, "", *shown, "</details>", ""]
    return "\n".join([BEGIN, "", *lines, END])


def rewritten(readme: str) -> str:
    """A README with a fresh tree between the markers.

    Raises:
        ValueError: when the markers are missing.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md has no {BEGIN} … {END}")
    return before + tree() + after


def _block(files: list[str]) -> Iterator[str]:
    """Files under their folders, each with its line; a folder with an `__init__.py` has that one's line."""
    rows: list[tuple[str, str]] = []
    seen = {"."}
    for name in sorted(files, key=lambda name: (Path(name).parts[:-1], name)):
        path = Path(name)
        for folder in reversed(path.parents):
            if str(folder) not in seen:
                seen.add(str(folder))
                opening = f"{folder}/__init__.py"
                rows.append(_row(folder, "/", described(opening) if opening in files else ""))
        if path.name != "__init__.py":
            rows.append(_row(path, "", described(name)))
    width = max(len(start) for start, _ in rows) + 2
    yield "```text"
    yield from (f"{start:<{width}}{line}".rstrip() for start, line in rows)
    yield "```"
    yield ""


def _row(path: Path, mark: str, line: str) -> tuple[str, str]:
    return "  " * (len(path.parts) - 1) + path.name + mark, line


def _folders(files: list[str]) -> Iterator[str]:
    """Folders of tests, with the room that each mirrors."""
    folders = sorted({str(Path(name).parent) for name in files})
    width = max(map(len, folders)) + 3
    yield "```text"
    for folder in folders:
        room = folder.removeprefix("tests/")
        yield f"{folder + '/':<{width}}{f'tests of {room}/' if (ROOT / room).is_dir() else 'what tests need'}"
    yield "```"
    yield ""


def _first_comment(text: str) -> str:
    """The first lines that begin with `#` or `//`, joined."""
    lines = []
    for line in text.splitlines():
        if not line.startswith(("#", "//")) or not line.strip("#/ "):
            break
        lines.append(line.lstrip("#/ "))
    return " ".join(lines)


def _sentence(text: str) -> str:
    """The first sentence of a text, on one line."""
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    found = re.match(r"(.+?[.!?])(?= [A-Z`θ(]|$)", paragraph)
    return found[1] if found else paragraph


def main() -> None:
    """Write README.md anew."""
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
