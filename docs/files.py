"""Writes docs/files.md: every key of task.toml, node.toml and round.toml, and the protocols.

Keys, types and defaults come from the records that parse the files; what a key means comes from the commented templates
that `ratatouille init` writes, else from the record's own docstrings, else from `WORDS`. A key without a meaning is an
error. `python -m docs.files` writes; a test compares.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from coordinator.commands.files import Kind
from coordinator.commands.files import template as template_of
from coordinator.settings import RoundSettings
from ratatouille.exchange.assignment import Augmentation
from ratatouille.recipes.protocol import PROTOCOLS, Protocol
from ratatouille.record import Record
from ratatouille.tasks.node import NodeData, NodeSettings
from ratatouille.tasks.settings import Limits
from ratatouille.tasks.task import SplitRule, Task

PAGE = Path(__file__).parent / "files.md"

WORDS = {
    "task.name": "The task's name, for ever. Letters, digits, dots, dashes and underscores.",
    "task.description": "One line for people.",
    "task.split": "The table `[split]`, see below.",
    "split.train": "Share of the groups that train.",
    "split.validation": "Share that chooses between runs and steps.",
    "split.test": "Share that no run sees; 0 where whole domains are held out instead.",
    "task.domains": (
        "Where images come from: a camera, a hospital, a style. A round trains on some and tests on others. Give one "
        "if there is no such difference."
    ),
    "node.data": "One table `[[data]]` or more, see below.",
    "data.task": "The task's name; `ratatouille task list` lists them.",
    "data.format": "`folder` or `manifest`; `auto` takes a path that ends in `.csv` for a manifest.",
    "round.name": "What people call the round. Rounds with one name and other settings are different rounds.",
    "round.protocol": "The table `[protocol]`: `name`, and single values to replace; see below.",
    "round.deadline_minutes": "Minutes after its start at which the round stops waiting for runs; – waits for all.",
    "round.min_runs": "At the deadline, combine if a recipe has at least so many runs; – asks for all.",
    "protocol.name": "The row of the table that other values are taken from.",
    "protocol.image_size": "Pixels of a side to which images are resized.",
    "protocol.steps": "Updates of a target run.",
    "protocol.evaluate_every": "Steps between two looks at the validation split; step 0 and the last always count.",
    "protocol.auxiliary_runs": "Runs of each auxiliary task.",
    "protocol.auxiliary_steps": "Updates of an auxiliary run.",
    "protocol.auxiliary_rate_factor": "Factor on the learning rates of auxiliary runs.",
    "protocol.untrained_members": "Whether a run that kept step 0 is a member of averages, as in the paper.",
    "protocol.trimmed_share": "Share of the runs that a trimmed mean leaves out at each end, at every weight.",
    "protocol.learning_rate": "Of run 0 (Adam, constant).",
    "protocol.weight_decay": "Of run 0 (L2, not decoupled).",
    "protocol.dropout": "Of run 0, before the head.",
    "protocol.learning_rates": "What the other runs draw from.",
    "protocol.weight_decays": "What the other runs draw from.",
    "protocol.dropouts": "What the other runs draw from.",
    "protocol.probe_l2": "Strength of the regularisation of the linear probe.",
    "protocol.probe_iterations": "Most iterations of its solver.",
    "protocol.swad_converge": "Evaluations that may not be lower than the first of SWAD's valley.",
    "protocol.swad_tolerance": "Evaluations in a row that must be too high to end the valley.",
    "protocol.swad_ratio": "Too high: by more than this share above the mean loss at the valley's beginning.",
    "node.limits": "The table `[limits]`, see below: the most that one order may ask of this node.",
    "augmentation.flip": "Probability of a horizontal flip.",
    "augmentation.grayscale": "Probability that colour is taken away.",
}
"""Meanings that neither a template nor a docstring has."""


@dataclass(frozen=True)
class Table:
    """One table of a file: its name in `WORDS`, its heading, the record that parses it, the template it is in."""

    name: str
    heading: str
    record: type[Record]
    template: str


FILES = {
    "task.toml": (
        "Defines a task, once, in the registry. `ratatouille init task` writes a commented one, `ratatouille task add` "
        "enters it.",
        (Table("task", "", Task, "task"), Table("split", "`[split]`", SplitRule, "task")),
    ),
    "node.toml": (
        "A contributor's data and machine. `ratatouille init node` writes a commented one, `ratatouille node join` "
        "reads it. Relative paths count from the folder of the file.",
        (
            Table("node", "", NodeSettings, "node"),
            Table("data", "`[[data]]`", NodeData, "node"),
            Table("limits", "`[limits]`", Limits, ""),
        ),
    ),
    "round.toml": (
        "What a maintainer wants to have run. `ratatouille init round` writes a commented one, `ratatouille round run` "
        "reads it; its flags go before the file.",
        (Table("round", "", RoundSettings, "round"),),
    ),
}


def page() -> str:
    """The whole page."""
    lines = [
        "# Settings files",
        "",
        "Generated by `python -m docs.files` from the records that parse these files and from the templates that",
        "`ratatouille init` writes. An unknown key is refused, with the nearest known one. `ratatouille check FILE`",
        "says what a file would do before it does it.",
        "",
    ]
    for name, (about, tables) in FILES.items():
        lines += [f"## {name}", "", about, ""]
        for table in tables:
            if table.heading:
                lines += [f"### {table.heading}", ""]
            lines += [*_keys(table), ""]
    lines += [*_protocols(), ""]
    return "\n".join(lines).rstrip() + "\n"


def meaning(table: Table, key: str) -> str:
    """What a key means, in a sentence or two.

    Raises:
        KeyError: when nothing says it.
    """
    said = WORDS.get(f"{table.name}.{key}") or _comments(table.template).get(key) or _docstrings(table.record).get(key)
    if not said:
        raise KeyError(f"nothing says what {key} of {table.name} means: add a docstring, or a row to docs/files.py")
    return said


def _keys(table: Table) -> Iterator[str]:
    schema = table.record.model_json_schema()
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for key, field in table.record.model_fields.items():
        kind = _kind(schema["properties"][key], schema.get("$defs", {}))
        default = "required" if field.is_required() else _value(field.get_default(call_default_factory=True))
        yield f"| `{key}` | {kind} | {default} | {_cell(meaning(table, key))} |"


def _protocols() -> Iterator[str]:
    yield "## Protocols"
    yield ""
    yield (
        "A round names one in `[protocol]` and may replace single values there, augmentation in "
        "`[protocol.augmentation]`."
    )
    yield (
        "`ratatouille protocols` prints the same table. `domainbed` is the paper's sweep; `domainbed-reference` keeps "
        "two of the"
    )
    yield "reference's defects ([method.md](method.md#6-what-is-not-repeated)). `emoji` is for drawings of 64 pixels on"
    yield "two cores, and [emoji-protocol.md](emoji-protocol.md) says how its values were chosen."
    yield ""
    yield "| value | " + " | ".join(PROTOCOLS) + " | meaning |"
    yield "|---|" + "---|" * len(PROTOCOLS) + "---|"
    outer = Table("protocol", "", Protocol, "")
    inner = Table("augmentation", "", Augmentation, "")
    for key in Protocol.model_fields:
        if key == "augmentation":
            for part in Augmentation.model_fields:
                values = [_value(getattr(row.augmentation, part)) for row in PROTOCOLS.values()]
                yield f"| `augmentation.{part}` | {' | '.join(values)} | {_cell(meaning(inner, part))} |"
        elif key != "name":
            values = [_value(getattr(row, key)) for row in PROTOCOLS.values()]
            yield f"| `{key}` | {' | '.join(values)} | {_cell(meaning(outer, key))} |"


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A JSON schema in words."""
    if "$ref" in schema:
        return "table"
    if "anyOf" in schema:
        kinds = [_kind(one, definitions) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return " or ".join(f'`"{value}"`' for value in schema["enum"])
    if "const" in schema:
        return f'`"{schema["const"]}"`'
    match schema.get("type"):
        case "array":
            items = schema.get("items", {})
            return "tables" if "$ref" in items else f"list of {_plural(_kind(items, definitions))}"
        case "object":
            return "table"
        case "boolean":
            return "true or false"
        case "integer" | "number":
            return ("whole number" if schema["type"] == "integer" else "number") + _bounds(schema)
    if schema.get("format") == "path":
        return "path"
    return "name" if str(schema.get("pattern", "")).startswith("^[A-Za-z0-9]") else "text"


def _plural(kind: str) -> str:
    return kind if kind.startswith("`") else f"{kind}s"


def _bounds(schema: Mapping[str, Any]) -> str:
    words = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    parts = [f"{sign} {schema[key]:g}" for key, sign in words.items() if key in schema]
    return f", {' and '.join(parts)}" if parts else ""


def _value(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, Record):
        return ", ".join(f"{key} {_value(one)}" for key, one in value.model_dump(exclude_none=True).items())
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, dict) and any(isinstance(one, Record) for one in value.values()):
        return "; ".join(f"`{key}`: {_value(one)}" for key, one in value.items())
    if isinstance(value, dict):
        return f"`{json.dumps(value)}`" if value else "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'`"{value}"`' if isinstance(value, str) and value else str(value) or "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("docs/method.md", "[method.md](method.md)")


def _comments(template: str) -> dict[str, str]:
    """Key → the comment above it in a template; keys that follow one another share a comment."""
    if not template:
        return {}
    text = template_of(cast(Kind, template)).decode()
    found: dict[str, str] = {}
    comment: list[str] = []
    open_ = False
    for line in text.splitlines():
        key = re.match(r"#? ?([a-z_]+) = ", line)
        if key and key[1] not in found:
            found[key[1]] = " ".join(" ".join(comment).split())
            open_ = False
        elif line.startswith("#"):
            if not open_:
                comment, open_ = [], True
            comment.append(_code(line.lstrip("# ")))
        elif not line.startswith("["):
            comment, open_ = [], False
    return {key: said for key, said in found.items() if said}


def _code(line: str) -> str:
    """Values in quotes as code."""
    return re.sub(r'(?<!`)"([a-zA-Z0-9:_-]+)"', r'`"\1"`', line)


def _docstrings(record: type[Record]) -> dict[str, str]:
    """Key → the string below its field, or the point about it in the docstring of its class or of a base."""
    found: dict[str, str] = {}
    for kind in reversed([one for one in record.__mro__ if issubclass(one, Record) and one is not Record]):
        body = ast.parse(inspect.getsource(kind)).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            match (field, below):
                case (ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(said)))):
                    found[key] = " ".join(said.split())
        points = re.findall(r"^- `(\w+)`: ((?:.|\n(?!- |$))+)", inspect.getdoc(kind) or "", re.MULTILINE)
        found |= {key: _code(_capital(" ".join(said.split()))) for key, said in points}
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
