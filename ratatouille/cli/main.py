"""The entry point: runs one command of the table; groups are made from it, functions are imported when called."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from io import StringIO
from typing import Any

import click
import typer
import typer.core
from click.shell_completion import CompletionItem
from click.utils import PacifyFlushWrapper
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from ratatouille import __version__
from ratatouille.cli import streams
from ratatouille.cli.extras import missing, naming_what_is_missing
from ratatouille.cli.table import COMMANDS, SECTIONS, Command
from ratatouille.errors import RatatouilleError
from ratatouille.launch import imported
from ratatouille.platforms import refuse_without_posix
from ratatouille.printable import printable
from ratatouille.proxies import go_straight_to_loopback


def load(command: Command) -> click.Command:
    """The command with its function imported, and the options that all commands share.

    Raises:
        Refusal: where it needs a package that is not installed, or a platform that this is not.
    """
    module, _, name = command.where.partition(":")
    if command.posix:
        refuse_without_posix(f"`ratatouille {' '.join(command.path)}`")
    try:
        function = getattr(imported(module), name)
    except ModuleNotFoundError as error:
        raise missing(error, command) from error
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name=command.path[-1], epilog=f"Example: {command.example}")(function)
    loaded = typer.main.get_command(app)
    if loaded.callback is not None:
        loaded.callback = naming_what_is_missing(loaded.callback, command)
    for flags, level, help_ in (
        (["-q", "--quiet"], logging.ERROR, "Say errors only."),
        (["-v", "--verbose"], logging.DEBUG, "Say more."),
    ):
        loaded.params.append(
            click.Option(flags, is_flag=True, expose_value=False, callback=_set_level(level), help=help_)
        )
    help_ = "Show all columns of tables, however narrow the terminal is."
    loaded.params.append(click.Option(["--wide"], is_flag=True, expose_value=False, callback=_set_wide, help=help_))
    return loaded


# typer would print its help through rich, which wraps lines to the terminal and escapes brackets.
typer.core.HAS_RICH = False

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Group(TyperGroup):
    """A group of commands made from the table; it imports none of them to show its help."""

    prefix: tuple[str, ...] = ()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of commands and groups below this one, in the order of the table."""
        depth = len(self.prefix)
        return list(
            dict.fromkeys(
                row.path[depth] for row in COMMANDS if row.path[:depth] == self.prefix and row.path != self.prefix
            )
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command or group with this name."""
        path = (*self.prefix, cmd_name)
        below = any(row.path[: len(path)] == path and row.path != path for row in COMMANDS)
        for row in COMMANDS:
            if row.path == path:
                return CommandWithMore(row) if below else load(row)
        return group(path) if below else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names.

        Raises:
            UsageError: for a word that names none, with the nearest commands.
        """
        names = self.list_commands(ctx)
        if not args[0].startswith("-") and args[0] not in names:
            elsewhere = [" ".join(row.path) for row in COMMANDS if row.path[-1] == args[0]]
            like = [" ".join((*self.prefix, name)) for name in get_close_matches(args[0], names, 1)]
            question = "".join(f"; did you mean '{path}'?" for path in (elsewhere or like)[:1])
            ctx.fail(f"there is no command '{' '.join((*self.prefix, args[0]))}'{question}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Words that may stand here, from the table: a shell asks at each Tab, so no command is imported."""
        about = {row.path: row.summary for row in COMMANDS}
        return [
            *(
                CompletionItem(name, help=about.get((*self.prefix, name)))
                for name in self.list_commands(ctx)
                if name.startswith(incomplete)
            ),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands below this group, by section."""
        console = streams.Terminal(highlight=False)
        name = " ".join(("ratatouille", *self.prefix))
        console.print(f"Usage: {name} COMMAND …   ({name} COMMAND --help says more, with an example)\n")
        if not self.prefix:
            console.print("Update one shared model together, the way open-source software is updated.\n")
        for section, rows in SECTIONS.items():
            _print_rows(section, [row for row in rows if row.path[: len(self.prefix)] == self.prefix], console)


class CommandWithMore(Group):
    """A command that has others below it, such as `config` with `config name`."""

    def __init__(self, row: Command) -> None:
        """Run as the command itself where no other is named."""
        alone = load(row)
        super().__init__(
            name=row.path[-1],
            params=alone.params,
            help=alone.help,
            epilog=alone.epilog,
            callback=_unless_another(alone),
            invoke_without_command=True,
            no_args_is_help=False,
        )
        self.prefix = row.path

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own help, then the commands below it."""
        click.Command.format_help(self, ctx, formatter)
        formatter.write_paragraph()
        rows = [row for row in COMMANDS if row.path[: len(self.prefix)] == self.prefix]
        formatter.write_dl([(" ".join(row.path), row.summary) for row in rows])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options."""
        click.Command.format_options(self, ctx, formatter)


def _unless_another(alone: click.Command) -> Callable[..., Any]:
    def called(**named: Any) -> Any:
        if click.get_current_context().invoked_subcommand is None and alone.callback is not None:
            return alone.callback(**named)
        return None

    return called


def _print_rows(section: str, rows: Sequence[Command], console: Console) -> None:
    if rows:
        table = Table.grid(padding=(0, 2))
        for row in rows:
            table.add_row(f"  {' '.join(row.path)}", row.summary)
        console.print(section, style="bold")
        console.print(table)


def group(prefix: tuple[str, ...] = ()) -> Group:
    """The group of all commands whose path begins with `prefix`."""
    made = Group(name=prefix[-1] if prefix else "ratatouille", invoke_without_command=True, no_args_is_help=False)
    made.prefix = prefix
    made.callback = _show_help
    if not prefix:
        made.params.append(
            click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version)
        )
        made.params += typer.main.get_install_completion_arguments()
    return made


def main() -> None:
    """Entry point of the `ratatouille` command."""
    streams.prepare()
    go_straight_to_loopback()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(_PrintableLines("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[terminal])
    try:
        code = _answered()
    except (streams.ReaderLeft, BrokenPipeError):  # such as `head`, which has seen enough
        if not streams.reader_left():
            raise  # of another pipe or connection: a defect
        code = streams.BROKEN_PIPE
    streams.abandon()
    sys.exit(code)


def _answered() -> int:
    """Run the command to its end, its last line written; the exit code."""
    try:
        code = group()(standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        if isinstance(sys.stdout, PacifyFlushWrapper):  # click's way to end when the reader of its help has left
            return streams.BROKEN_PIPE
        sys.stdout.flush()
        return end.code or 0
    except RatatouilleError as error:
        _say(str(error))
        return 2
    except click.ClickException as error:
        if _as_json():
            _say(error.format_message(), error.exit_code)
        else:
            _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except OSError as error:
        if isinstance(error, BrokenPipeError) or (error.filename is None and error.errno not in _FULL):
            raise
        where = f"'{error.filename}'" if error.filename is not None else "a file"
        _say(f"{where} cannot be used: {error.strerror}; check the path, its owner and the space on the disk")
        return 2


def _as_json() -> bool:
    """Whether the command was asked for JSON: then its refusal is JSON too."""
    words = sys.argv[1:]
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _say(sentence: str, code: int = 2) -> None:
    if _as_json():
        from ratatouille.cli.output import print_json_line

        print_json_line({"error": printable(sentence), "code": code})
        return
    _terminal().say(Text.assemble(("error:", "bold red"), " ", printable(sentence)))


def _show(error: click.ClickException) -> None:
    text = StringIO()
    error.show(text)
    _terminal().say(Text(printable(text.getvalue().rstrip())))


def _terminal() -> streams.Terminal:
    """Standard error as it is now."""
    return streams.Terminal(stderr=True, highlight=False)


class _PrintableLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(line.plain for line in _terminal().lines(Text(printable(super().format(record)))))


def _show_help(*_: Any, **__: Any) -> None:
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"ratatouille {__version__}")
        ctx.exit()


def _set_level(level: int) -> Any:
    def callback(_: click.Context, __: click.Parameter, value: bool) -> None:
        if value:
            logging.getLogger().setLevel(level)

    return callback


def _set_wide(_: click.Context, __: click.Parameter, value: bool) -> None:
    from ratatouille.cli.output import console

    console.wide = value


if __name__ == "__main__":
    main()
