"""Following a round: bars with rate and time left on a terminal, plain lines elsewhere; Ctrl-C leaves it alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from coordinator.driver import RoundDriver
from coordinator.pace import Pace
from coordinator.progress import PATIENCE_SECONDS, RoundProgress, round_progress, waits_for
from ratatouille.cli.output import about, console, print_line
from ratatouille.errors import Unreachable
from registry.lists import every
from registry.records import OVER, Event
from registry.services.registry import Registry

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0
_LINE_SECONDS = 10.0
_IDLE_SECONDS = 5.0
"""The bar of a node that is not at work any more stays so long; its next work often begins before."""
_AGAIN_SECONDS = 60.0


def follow(registry: Registry, round_id: str, quiet: bool = False) -> None:
    """Show a round until it ends; goes on through an outage of the registry."""
    record = registry.rounds.round(round_id)
    if record.state in OVER:
        return
    driver = RoundDriver.of(record, registry)
    shown = _Bars() if console.is_terminal and not quiet else _Lines(quiet)
    silence = Silence()
    with shown:
        if registry.info().fleet is None:
            shown.say("no coordinator is up; the round waits until `ratatouille coordinator up` serves this registry")
        while True:
            try:
                state = registry.rounds.round(round_id).state
                now = round_progress(driver, registry)
                shown.show(state, now)
                if state in OVER:
                    return
                if reason := silence.reason(driver, registry, state, bool(now.workers)):
                    shown.say(reason)
            except Unreachable as error:
                shown.say(f"{error}; waiting for it")
            time.sleep(_LOOK_SECONDS)


class Silence:
    """The time in which no node has worked on a round, and the reason, which is shown now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._last_reason, self._at = "", 0.0

    def reason(self, driver: RoundDriver, registry: Registry, state: str, at_work: bool) -> str:
        """What the round waits for, after ten seconds; the same sentence again after a minute, else nothing."""
        now = self._clock()
        if at_work or self._since is None:
            self._since = now
        if now - self._since < PATIENCE_SECONDS:
            return ""
        orders = driver.gather().orders
        found = waits_for(orders, registry.work.offers(), at_work, registry.info().fleet, state, registry.work.holders)
        if found == self._last_reason and now - self._at < _AGAIN_SECONDS:
            return ""
        self._last_reason, self._at = found, now
        return found


def events_so_far(registry: Registry, round_id: str, after: int = 0) -> Iterator[Event]:
    """What happened in a round, as far as it is written."""
    return every(lambda last: registry.rounds.events(last.number if last else after, round_id))


def events_until_over(registry: Registry, round_id: str) -> Iterator[Event]:
    """What happened in a round and happens until it ends; goes on through an outage of the registry."""
    last, waiting = 0, False
    while True:
        try:
            over = registry.rounds.round(round_id).state in OVER  # first: what is read after it is complete
            for event in events_so_far(registry, round_id, last):
                last, waiting = event.number, False
                yield event
            if over:
                return
            for event in registry.rounds.watch(last, round_id):
                last = event.number
                yield event
                if event.kind == "round" and registry.rounds.round(round_id).state in OVER:
                    break
        except Unreachable as error:
            if not waiting:
                _log.warning("%s; waiting for it", error)
            waiting = True
            time.sleep(_LOOK_SECONDS)


def time_left(pace: Pace, now: RoundProgress) -> str:
    """`, about 4 min left`; empty before the pace is measured, and when no step is left."""
    seconds = pace.seconds_left(now.steps - now.steps_done) if now.steps_done < now.steps else None
    return "" if seconds is None else f", {about(seconds)} left"


class _Bars:
    """One bar for all steps, and one for each node at work."""

    def __init__(self) -> None:
        self._progress = Progress(
            *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}")),
            console=console,
        )
        self._pace = Pace()
        self._steps = self._progress.add_task("all training steps", total=None, left="")
        self._runs = self._progress.add_task("runs", total=None, left="")
        self._nodes: dict[str, TaskID] = {}
        self._last: dict[str, float] = {}
        """When a node was last at work."""

    def show(self, state: str, now: RoundProgress) -> None:
        self._pace.see(now.steps_done)
        left = time_left(self._pace, now).removeprefix(", ")
        self._progress.update(self._steps, completed=now.steps_done, total=now.steps, left=left)
        self._progress.update(self._runs, completed=now.trainings_done, total=now.trainings)
        for worker in now.workers:
            if worker.node not in self._nodes:
                self._nodes[worker.node] = self._progress.add_task("", left="")
            text = escape(f"  {worker.node}: {worker.doing}")
            self._progress.update(
                self._nodes[worker.node], description=text, completed=worker.done, total=worker.total or None
            )
        moment = time.monotonic()
        self._last |= {worker.node: moment for worker in now.workers}
        for node, last in list(self._last.items()):
            if last < moment - _IDLE_SECONDS:
                self._progress.remove_task(self._nodes.pop(node))
                del self._last[node]

    def say(self, sentence: str) -> None:
        print_line(sentence)

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class _Lines:
    """A line when something was finished, and every ten seconds."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._last = ""
        self._at = 0.0
        self._pace = Pace()

    def show(self, state: str, now: RoundProgress) -> None:
        self._pace.see(now.steps_done)
        line = now.sentence
        if line == self._last or (time.monotonic() - self._at < _LINE_SECONDS and state not in OVER):
            return
        self._last, self._at = line, time.monotonic()
        nodes = "; ".join(f"{worker.node}: {worker.doing}" for worker in now.workers)
        self.say(f"{line}{time_left(self._pace, now)}{' | ' + nodes if nodes else ''}")

    def say(self, sentence: str) -> None:
        if not self._quiet:
            print_line(sentence)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass
