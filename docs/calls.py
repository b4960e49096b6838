"""Writes docs/calls.md: every method of the registry's services with its arguments, its answer and what it means.

All of it comes from the classes in `registry/services/`, which are the interface. `python -m docs.calls` writes; a test
compares.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

from registry.services.method import Service
from registry.services.registry import SERVICES, Registry
from registry.transport.wire import CALLS, Call

PAGE = Path(__file__).parent / "calls.md"

HEAD = """# Calls of the registry

Written by `python -m docs.calls` from `registry/services/`. `registry.open(url)` gives an object with these services;
`registry.versions.log()` is the gRPC method `/ratatouille.registry.v1.Versions/Log`. A request is a `CallRequest` whose
`json` is one object with the arguments, and the answer is a `CallReply` with JSON; methods marked with *stream* have
messages of their own (`registry/proto/registry.proto`). Records are JSON objects with the fields that
`registry/records/`, `ratatouille/exchange/` and `ratatouille/tasks/task.py` give them. [The service](service.md) says
how to call it.

The role says who may call a method: *anyone*, *reader*, *contributor*, *maintainer* or *owner*, each with the rights of
those before it. The service checks it at every call. A caller shows a session's token as metadata,
`authorization: Bearer TOKEN`; a session is opened by `challenge` and `open_session`, lasts an hour at most, and has the
role of the member whose key signed. Without a session a caller is a *reader*, or *anyone* where the setting `reading`
is `members`. What is refused ends with the status UNAUTHENTICATED (open a session) or PERMISSION_DENIED (the role is
not enough), and one sentence. An argument named `sealed` counts only if a key of the calling member signed it;
maintainers may bring what others signed. [Decision 13](decisions/0013-sessions.md) has the reasons.

A *slow* method may take hours.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join([HEAD, *_lines()])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def _lines() -> Iterator[str]:
    yield from _service("registry", Registry)
    for name, service in SERVICES.items():
        yield from _service(f"registry.{name}", service)


def _service(where: str, service: type[Service]) -> Iterator[str]:
    yield f"## {where}\n"
    yield f"{inspect.getdoc(service)}\n"
    for name in service.methods:
        if name in CALLS:
            yield from _call(CALLS[name])


def _call(call: Call) -> Iterator[str]:
    declaration = call.method.declaration
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(call.method.function))).body
    assert isinstance(node, ast.FunctionDef)
    kinds = "".join(f" *{kind}*" for kind in ("slow", "stream") if getattr(declaration, kind))
    yield f"### {call.name}{kinds}\n"
    yield f"```text\n{_signature(node)}\n```\n"
    yield f"{' '.join((ast.get_docstring(node) or '').split())}\n"
    yield f"`{call.path}`, {declaration.role}\n"


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
