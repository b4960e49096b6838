"""The live line of `node join`: what the node does now. On a terminal it is one line that changes.

Elsewhere a line comes when the work changes, and one a minute while it goes on; with -v every ten seconds. Nothing of
it leaves the machine.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from rich.cells import cell_len
from rich.filesize import decimal
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from contributor_client.activity import Activity
from contributor_client.control import State
from ratatouille.cli.output import about, console, print_line, safe

_LINE_SECONDS, _VERBOSE_LINE_SECONDS = 60.0, 10.0
_BETWEEN = " · "
_SPINNER = 2
"""Cells that the sign before the line takes."""
_SHORTEST_PROBLEM = 10


def clauses(state: State, activity: Activity, now: float, verbose: bool = False) -> list[str]:
    """What the node does, in clauses: the first says the most, the last ones are the first to be left out."""
    words: list[str] = [state if state != "working" else "waiting for work"]
    if state == "working" and activity.task:
        words = _at_work(activity, now, verbose)
    if activity.answered:
        words.append(f"{activity.answered} done")
    if activity.sent or activity.received:
        words.append(f"sent {decimal(activity.sent)}, received {decimal(activity.received)}")
    if activity.problem:
        words.append(f"last problem: {activity.problem}")
    return words


def fitted(all_clauses: list[str], width: int) -> str:
    """As many clauses as fit; only the last problem may be cut."""
    line = all_clauses[0]
    for clause in all_clauses[1:]:
        room = width - cell_len(line) - len(_BETWEEN)
        if cell_len(clause) <= room:
            line += _BETWEEN + clause
        elif clause.startswith("last problem") and room >= len("last problem: ") + _SHORTEST_PROBLEM:
            cut = Text(clause)
            cut.truncate(room, overflow="ellipsis")  # by cells: a wide sign takes two
            line += _BETWEEN + cut.plain
    return line


@contextmanager
def showing(verbose: bool, quiet: bool) -> Iterator[Callable[[State, Activity], None]]:
    """A callback that shows what the node does; on a terminal the line appears with the first call."""
    if quiet:
        yield lambda *_: None
    elif console.is_terminal:
        with ExitStack() as stack:
            live = Live(console=console, refresh_per_second=4, transient=True)

            def show(state: State, activity: Activity) -> None:
                if not live.is_started:
                    stack.enter_context(live)
                    stack.enter_context(_logging_above())
                live.update(_line(state, activity, verbose))

            yield show
    else:
        yield _Lines(verbose)


class _Lines:
    """Plain lines: one when the work changes, and one at intervals."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._every = _VERBOSE_LINE_SECONDS if verbose else _LINE_SECONDS
        self._last: tuple[object, ...] = ("starting", "", "", "")
        self._said = time.monotonic()

    def __call__(self, state: State, activity: Activity) -> None:
        key = (state, activity.task, activity.label, activity.problem)
        due = bool(activity.task) and time.monotonic() - self._said >= self._every
        if due or (key != self._last and (state == "working" or self._verbose)):
            print_line(_BETWEEN.join(clauses(state, activity, time.time(), self._verbose)))
            sys.stdout.flush()
            self._said = time.monotonic()
        self._last = key


def _line(state: State, activity: Activity, verbose: bool) -> Spinner | Text:
    text = safe(fitted(clauses(state, activity, time.time(), verbose), console.width - _SPINNER))
    return Spinner("dots", text) if activity.task and state == "working" else Text("  ").append_text(text)


def _at_work(activity: Activity, now: float, verbose: bool) -> list[str]:
    steps = f" {activity.done} of {activity.total}" if activity.total else ""
    doing = activity.doing if verbose else activity.phase
    words = [f"{activity.task}: {doing or 'starting'}{steps}"]
    left = activity.seconds_left(now)
    if left is not None:
        words.append(f"{about(left)} left")
    return [*words, *([activity.label] if activity.label else [])]


@contextmanager
def _logging_above() -> Iterator[None]:
    """Let what is logged appear above the live line, as rich arranges it for the standard streams."""
    handlers = [one for one in logging.getLogger().handlers if isinstance(one, logging.StreamHandler)]
    before = [one.setStream(sys.stderr) for one in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                with suppress(ValueError):
                    handler.setStream(stream)
