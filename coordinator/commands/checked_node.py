"""`ratatouille check` of a node.toml: the data is opened as the node would open it, and counted."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from ratatouille.cli import output
from ratatouille.cli.output import counting
from ratatouille.cli.remotes import my_public_name
from ratatouille.errors import RatatouilleError, Refusal
from ratatouille.exchange.leaving import NEVER, Leaving, leaving
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.signing import Signer
from ratatouille.record import Name, Record
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.holding import TRIALS, Holding
from ratatouille.tasks.node import NodeSettings, open_in_place, read_node_settings
from ratatouille.tasks.task import SPLITS, Task, load_task
from ratatouille.training.asked_work import work_of
from ratatouille.training.preflight import DeviceWork, try_out
from ratatouille.wording import enumerated, number_of
from registry.commands.opened import opened
from registry.round_work import work_of_rounds

LEAVING = output.TableLayout(
    ("value", "what it says", "here, such as"), prose=("value", "what it says", "here, such as")
)
_WIDTH = 60
"""Characters of an example that people see; `--json` has all of it."""
_MOST_DOMAINS, _MOST_NOTES = 8, 3
"""How much of one table of data fits a screen."""


class CheckedData(Record):
    """One `[[data]]` table: what it holds for its task."""

    task: Name
    task_from: str
    """Where the definition was found: `registry`, or a file."""
    classes: tuple[str, ...]
    holding: Holding
    notes: tuple[str, ...]
    """What was left out or is missing."""


class CheckedNode(Record):
    """A node and its data."""

    kind: str = "node"
    name: Name
    device: str
    trains: bool
    data: tuple[CheckedData, ...]
    leaves: tuple[Leaving, ...] = ()
    """Every kind of value that leaves the machine of this node, with an example."""
    tried: tuple[str, ...] = ()
    """How a little of the work went on this device, and how long an assignment takes."""

    def show(self, details: bool = False) -> None:
        """Print it for people: on one screen, or with every class and every value that leaves."""
        role = "trains and evaluates" if self.trains else "evaluates, never trains"
        output.print_line(f"node {self.name}: {role}, device {self.device}; {self.name} is its public name")
        for sentence in self.tried:
            output.print_line(sentence)
        for one in self.data:
            images, domains = one.holding.total(), enumerated(one.holding.domains, _MOST_DOMAINS)
            title = f"task {one.task} (defined in the {one.task_from}): {number_of(images, 'image')} of {domains}"
            columns = ("domain", "class") if details else ("domain",)
            output.print_table(output.TableLayout((*columns, *SPLITS)), _rows(one, details), title)
            output.print_line(f"fingerprint {one.holding.fingerprint}")
            for note in one.notes if details else one.notes[:_MOST_NOTES]:
                output.print_line(f"note: {note}", "yellow")
        if details:
            rows = [(f"{one.record} {one.field}".strip(), one.means, _short(one.example)) for one in self.leaves]
            output.print_table(LEAVING, rows, "What leaves this machine")
        else:
            records = ", ".join(f"{name} ({count})" for name, count in Counter(map(_record, self.leaves)).items())
            output.print_line(f"What leaves this machine, with how many values each: {records}.")
        output.print_line(NEVER)
        if not details:
            output.print_line("--details shows each class and each value; `ratatouille node check` checks the rest")


def checked_node(file: Path, remote: str | None, task_files: Sequence[Path], quiet: bool = False) -> CheckedNode:
    """Read a node.toml and all images it names.

    Raises:
        Refusal: for a mistake in the file, a task without a definition, or data that cannot be used.
    """
    settings = read_node_settings(file)
    find = TaskFinder(remote or settings.remote, task_files, file.parent / "task.toml")
    opened_data = opened_holdings(settings, find, quiet)
    return CheckedNode(
        name=settings.name,
        device=settings.device,
        trains=settings.trains,
        data=tuple(_checked(data, find.origin[data.task.name], settings) for data in opened_data.values()),
        leaves=_leaves(settings, tuple(data.holding for data in opened_data.values()), settings.place / "key"),
        tried=_tried(settings, _work(settings, tuple(opened_data.values()), find)),
    )


def opened_holdings(settings: NodeSettings, find: TaskFinder, quiet: bool) -> dict[str, LocalData]:
    """A node's data, opened as the node will, while a terminal shows how far that is."""
    with nullcontext() if quiet else counting("reading images") as progress:
        return open_in_place(settings, find, progress)


def _tried(settings: NodeSettings, work: Sequence[DeviceWork]) -> tuple[str, ...]:
    """How each device does the work."""
    return tuple(sentence for one in dict.fromkeys(settings.devices) for sentence in try_out(one, work))


def _record(one: Leaving) -> str:
    return one.record


def _leaves(settings: NodeSettings, holdings: tuple[Holding, ...], key: Path) -> tuple[Leaving, ...]:
    """What the node would send, made from the records that it would send it in."""
    node = Signer.open(key).node if key.exists() else None
    offer = Offer(
        node=node or "0" * 64,
        name=settings.name,
        holdings=holdings,
        device=settings.device_kind,
        workers=len(settings.devices),
        trains=settings.trains,
        issued=time.time(),
        seconds=20.0,
    )
    try:
        from ratatouille.training import numerics

        software, device = numerics.describe(numerics.device("auto" if settings.device_kind == "auto" else "cpu"))
    except ModuleNotFoundError:  # checked on a machine that cannot train
        software, device = {}, settings.device
    return leaving(offer, software, device, my_public_name(), node)


def _short(example: object) -> str:
    """An example on one line, cut where it is long."""
    text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _work(settings: NodeSettings, held: Sequence[LocalData], find: TaskFinder) -> tuple[DeviceWork, ...]:
    """What rounds of the registry ask; nothing where it does not answer, or has nothing to start from."""
    if "registry" not in find.origin.values():
        return ()
    with opened(find.remote) as registry:
        return work_of(held, *work_of_rounds(registry), registry.definitions.architecture, settings.trains)


class TaskFinder:
    """Finds tasks by name: in files that were given, in the registry, or in the task.toml beside the node's file."""

    def __init__(self, remote: str | None, given: Sequence[Path], beside: Path) -> None:
        self.origin: dict[str, str] = {}
        """Where each task was found."""
        self.remote = remote
        self._given = {task.name: (task, path) for path in given for task in [load_task(path)]}
        self._beside = beside

    def __call__(self, name: str) -> Task:
        """The task with this name.

        Raises:
            Refusal: when it is found nowhere.
        """
        if name in self._given:
            task, path = self._given[name]
            self.origin[name] = f"file {path}"
            return task
        try:
            with opened(self.remote) as registry:
                task = registry.definitions.task(name)
            self.origin[name] = "registry"
        except RatatouilleError as error:
            if not self._beside.exists() or (task := load_task(self._beside)).name != name:
                reason = str(error).rstrip(".")
                raise Refusal(f"{reason}; or give the definition of '{name}' with --task-file task.toml") from error
            self.origin[name] = f"file {self._beside}"
        return task


def _checked(data: LocalData, origin: str, settings: NodeSettings) -> CheckedData:
    return CheckedData(
        task=data.task.name,
        task_from=origin,
        classes=data.task.classes,
        holding=data.holding,
        notes=(*data.notes, *_too_small(data, settings)),
    )


def _too_small(data: LocalData, settings: NodeSettings) -> list[str]:
    """Domains that no round trains on here, since a side of the split is or may be empty."""
    holding = data.holding
    empty = {
        "training": "has no image to train on, so every round leaves it out of training here",
        "validation": "has no image to validate on, so every round leaves it out of training here",
    }
    found = []
    for domain in holding.domains if settings.trains else ():
        lack = holding.lack(domain, TRIALS)
        if lack == "trial":
            some = holding.trials[domain]
            found.append(
                f"domain {domain} is small: a reshuffle of the split (trial {some}) leaves a side of it empty, so only "
                f"rounds of trials below {some} train on it; more groups would mend that"
            )
        elif lack is not None:
            found.append(f"domain {domain} {empty[lack]}; more groups would mend that")
    return found


def _rows(one: CheckedData, details: bool) -> list[tuple[str, ...]]:
    """A row for each domain; with details for each of its classes too, else for as many domains as fit a screen."""
    rows: list[tuple[str, ...]] = []
    counts = sorted(one.holding.counts.items())
    for domain, splits in counts if details else counts[:_MOST_DOMAINS]:
        for place, name in enumerate(one.classes) if details else ():
            rows.append((domain, name, *(str(splits[side][place]) for side in SPLITS)))
        rows.append((domain, *(("all",) if details else ()), *(str(sum(splits[side])) for side in SPLITS)))
    if len(counts) > len(rows):
        rows.append(("all domains", *(str(one.holding.total(split=side)) for side in SPLITS)))
    return rows
