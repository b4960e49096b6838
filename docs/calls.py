"""Writes docs/calls.md: every method of the registry's port with its arguments, its answer and what it means.

All of it comes from `registry/port.py`, which is the schema of the service's `Call`. `python -m docs.calls` writes; a
test compares.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from registry import port
from registry.service.wire import METHODS

PAGE = Path(__file__).parent / "calls.md"

HEAD = """# Calls of the registry

Written by `python -m docs.calls` from `registry/port.py`. Methods marked with *stream* have calls of their own in
`registry/proto/registry.proto`; every other one is the `method` of a `Call`, its arguments are one JSON object, and its
answer is JSON. Records are JSON objects with the fields that `registry/records/`, `ratatouille/exchange/` and
`ratatouille/tasks/task.py` give them. [The service](service.md) says how to call it.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join([HEAD, *_lines()])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def _lines() -> Iterator[str]:
    source = inspect.getsource(port)
    (tree,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Registry"]
    groups = {
        number: line.strip().removeprefix("# -- ").capitalize()
        for number, line in enumerate(source.splitlines(), 1)
        if line.strip().startswith("# -- ")
    }
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for number in [number for number in groups if number < node.lineno]:
            yield f"## {groups.pop(number)}\n"
        stream = "" if node.name in METHODS or node.name == "close" else " *stream*"
        yield f"### {node.name}{stream}\n"
        yield f"```text\n{_signature(node)}\n```\n"
        yield f"{' '.join((ast.get_docstring(node) or '').split())}\n"


def _signature(node: ast.FunctionDef) -> str:
    arguments = ast.unparse(node.args).removeprefix("self").removeprefix(", ")
    short = f"{node.name}({arguments}) -> {ast.unparse(node.returns) if node.returns else 'None'}"
    if len(short) <= 110:
        return short
    given = [ast.unparse(argument) for argument in node.args.args[1:]]
    first = len(given) - len(node.args.defaults)
    for place, default in enumerate(node.args.defaults, first):
        given[place] += f" = {ast.unparse(default)}"
    inner = ",\n    ".join(given)
    return f"{node.name}(\n    {inner},\n) -> {ast.unparse(node.returns) if node.returns else 'None'}"


if __name__ == "__main__":
    main()
