"""Writes docs/cli.md: every command with its help, from the command table.

`python -m docs.cli` writes; a test compares. Help is wrapped at a fixed width, so that no terminal changes the page.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import click

from ratatouille.cli.table import SECTIONS, Command
from ratatouille.home import DEFAULT_PORT
from registry.texts import SHORTEST_PREFIX

PAGE = Path(__file__).parent / "cli.md"
WIDTH = 100

ABOUT = {
    "START": "Try it, and write the files that the other commands read.",
    "CONTRIBUTE": "For contributors: offer data and a machine, take a version, give back a checkpoint.",
    "MAINTAIN": "For maintainers: run a coordinator, define what is learnt, run rounds, release.",
    "READ": "For everyone: ask for the history.",
    "RESEARCH": "For researchers: analyses, benchmarks and the tables of the method.",
    "REGISTRY": "A registry on its own: service, page, settings, copies.",
}

OPENING = f"""\
# Commands

Generated from `ratatouille/cli/table.py` and each command's own help by `python -m docs.cli`.

- Every command takes `--help`, `-q` (errors only) and `-v` (more). `ratatouille --version` says the version.
- `ratatouille --install-completion` makes the Tab key complete commands and options in your shell (bash, zsh, fish,
  PowerShell); `--show-completion` prints the lines instead.
- Most commands that show something take `--json` and then print one JSON document, also for a refusal;
  [outputs](outputs/README.md) has a schema for each.
- Which registry a command talks to: `--remote`, else `$RATATOUILLE_REMOTE`, else the default of `config.toml` in
  `$RATATOUILLE_HOME` (`~/.ratatouille`), else the coordinator of this home, on the port that it was last started with
  (at first {DEFAULT_PORT}). `ratatouille config` says which, and why.
- A **revision** (`REV`) is an id, a unique beginning of one ({SHORTEST_PREFIX} characters or more), an alias such as
  `latest`, where an alias pointed at the end of a day, a week or a moment (`stable@{{2026-03-01}}`,
  `stable@{{2026-W09}}`), or one of these followed by `~N`: N steps to the first parent.
- Exit codes: 0 done; 1 `verify` found something wrong; 2 the request was refused, with one sentence on standard error
  that says what to change; 130 interrupted; 141 nobody read the output any more, as in `… | head`.
"""


def page() -> str:
    """The whole page."""
    lines = [OPENING]
    for section, rows in SECTIONS.items():
        lines += [f"## {section}", "", ABOUT.get(section, ""), ""]
        for row in rows:
            lines += [f"### ratatouille {' '.join(row.path)}", "", *_entry(row), ""]
    return "\n".join(lines).rstrip() + "\n"


def loaded(row: Command) -> click.Command:
    """The command of a row, as the command line makes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # typer uses names that a newer click deprecates
        from ratatouille.cli.main import load

        return load(row)


def _entry(row: Command) -> Iterator[str]:
    command = loaded(row)
    name = f"ratatouille {' '.join(row.path)}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = click.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
        text = command.get_help(context)
    yield "```text"
    yield from (line.rstrip() for line in text.strip().splitlines())
    yield "```"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
