"""All checks of a node, made at the same time and within ten seconds: line, registry, data, disk, memory, device.

Three threads work: one asks the registry, one reads the data once the tasks are known, and one loads torch meanwhile
and tries the device once the data is. What does not answer in time is left behind, since a resolver or a firewall may
hold a thread for minutes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from contributor_client.federation_checks import LINE, SAID, Reached, check_federation
from contributor_client.machine_checks import (
    MACHINE,
    check_data,
    check_disk,
    check_memory,
    free_memory,
    list_data,
    needed_bytes,
)
from contributor_client.subject import Subject
from ratatouille.checks import StepCheck, bad, good, refused, unknown
from ratatouille.errors import RatatouilleError
from ratatouille.home import home
from ratatouille.record import Record
from ratatouille.training.asked_work import work_of
from ratatouille.training.preflight import DeviceWork, TrialProcess, sentences_of
from ratatouille.training.preflight import Trial as DeviceQuestion

SECONDS = 9.0
"""Time for all checks and for the start of the command before them."""
_DEVICE_SECONDS = 3.0
"""Time that the trial of a device needs at least once torch is loaded; it does not wait longer for the data."""
_END_SECONDS = 0.5
_LEAST_SECONDS = 5.0
"""Less time would say nothing about anything."""
_LONGER = "`ratatouille check node.toml` takes the time that it needs"
_RESULT = TypeVar("_RESULT")
Work = tuple[DeviceWork, ...]


class NodeChecks(Record):
    """What was found about a node, a federation and this machine."""

    address: str
    """The registry's."""
    node: str | None
    """The node's name; None without a node.toml."""
    file: str | None
    """The node.toml."""
    checks: tuple[StepCheck, ...]
    seconds: float
    """How long it took."""

    @property
    def wrong(self) -> tuple[StepCheck, ...]:
        """What must be mended."""
        return tuple(one for one in self.checks if one.state == "bad")


def check_node(
    subject: Subject, seconds: float = SECONDS, first: Sequence[StepCheck] = (), device: StepCheck | None = None
) -> NodeChecks:
    """Check everything about a node.

    Args:
        subject: what is checked.
        seconds: how long it may take, since the start of this process.
        first: checks that were made already, which come first.
        device: what is known of the device; None: it is tried.
    """
    began = time.monotonic()
    seconds = max(_LEAST_SECONDS, seconds - _age())
    found: dict[str, StepCheck] = {}
    making = _Making(subject, began + seconds, lambda one: found.__setitem__(one.step, one))
    reached = _in_thread(lambda: check_federation(subject, making.put))
    data = _in_thread(lambda: making.data(reached))
    machine = _in_thread(lambda: making.machine(data, device))
    futures: list[Future[object]] = [reached, data, machine]  # type: ignore[list-item]
    done, _ = wait(futures, timeout=seconds + _END_SECONDS)
    for one in done:
        one.result()  # a defect of ours is not hidden
    steps = tuple(step for step in (*LINE, *SAID, *MACHINE) if step != "invitation" or subject.invitation is not None)
    settings = subject.settings
    return NodeChecks(
        address=subject.address,
        node=None if settings is None else settings.name,
        file=None if subject.file is None else str(subject.file),
        checks=(*first, *filled(steps, dict(found), seconds)),
        seconds=round(time.monotonic() - began, 1),
    )


def filled(steps: Sequence[str], found: dict[str, StepCheck], seconds: float) -> list[StepCheck]:
    """A check for each step: those that were made, and for the others why they were not.

    The first step of the line that is neither made nor kept from it by another one did not answer in time.
    """
    checks: list[StepCheck] = []
    first_bad = next((one for step in steps if (one := found.get(step)) is not None and one.state == "bad"), None)
    for step in steps:
        if step in found:
            checks.append(found[step])
        elif first_bad is not None and step not in MACHINE:
            checks.append(unknown(step, f"not known yet: {first_bad.step} comes first"))
        elif step in MACHINE:
            checks.append(unknown(step, f"not done within {seconds:.0f} s", _LONGER))
        else:
            advice = "try again; a firewall on the way may also swallow what it does not know"
            first_bad = bad(step, f"no answer within {seconds:.0f} s", advice)
            checks.append(first_bad)
    return checks


class _Making:
    """The checks of this machine while they are made; `put` is called with each."""

    def __init__(self, subject: Subject, until: float, put: Callable[[StepCheck], None]) -> None:
        self._subject, self._until, self.put = subject, until, put

    def data(self, reached: Future[Reached | None]) -> Work:
        """Check the data once the tasks are known; returns the work that rounds ask of it."""
        settings = self._subject.settings
        if settings is None:
            self.put(unknown("data", "there is no node.toml yet", "`ratatouille node join` asks for your images"))
            return ()
        known = _within(reached, self._until - _DEVICE_SECONDS)
        if known is None:
            self.put(list_data(settings))
            return ()
        check, opened = check_data(settings, known.tasks, self._until - _DEVICE_SECONDS)
        self.put(check)
        try:
            find = known.registry.definitions.architecture
            return work_of(opened, *known.asked, find, settings.trains)
        except RatatouilleError:  # the line broke meanwhile: the device is tried without work
            return ()

    def machine(self, data: Future[Work], device: StepCheck | None) -> None:
        """Check disk, memory and device; the device is not tried where something is known of it."""
        settings, free = self._subject.settings, free_memory()
        wanted = ("auto",) if settings is None else settings.devices
        measured: int | None = None
        if device is not None:
            work = _within(data, self._until) or ()
        elif find_spec("torch") is None:
            work = _within(data, self._until) or ()
            advice = "install it: `pip install 'model-ratatouille[node]'`"
            device = bad("device", "torch is not installed here, and a node needs it", advice)
        else:
            with ExitStack() as stack:
                processes = {one: stack.enter_context(TrialProcess(one)) for one in dict.fromkeys(wanted)}
                work = _within(data, self._until - _DEVICE_SECONDS) or ()
                device, measured = self._all_tried(processes, work)
        disk, memory = needed_bytes(work, settings is None or settings.image_cache)
        self.put(check_disk(home() if settings is None else settings.place, disk))
        self.put(check_memory(len(wanted) * (measured or memory), free, measured is not None, len(wanted)))
        self.put(device)

    def _all_tried(self, processes: Mapping[str, TrialProcess], work: Work) -> tuple[StepCheck, int | None]:
        """The check of all devices, which are tried at the same time, and the most memory that a trial took."""
        trials = [
            _in_thread(partial(self._tried, process, DeviceQuestion(device=device, work=work, guess=True)))
            for device, process in processes.items()
        ]
        tried = [one.result() for one in trials]
        measured = [memory for _, memory in tried if memory is not None]
        return of_several([check for check, _ in tried]), max(measured, default=None)

    def _tried(self, process: TrialProcess, trial: DeviceQuestion) -> tuple[StepCheck, int | None]:
        """The check of a device, and the memory that the trial took; None where it did not end."""
        if trial.device == "cpu" and not trial.work:  # every machine has one, and importing torch takes seconds
            return unknown("device", "device cpu is there; what there is to try it with is not known"), None
        left = self._until - time.monotonic()
        try:
            answer = process.answer(trial, 2 * max(1.0, left), lambda: time.monotonic() > self._until)
            if not answer:
                cause = f"the trial of device {trial.device} was not over in time"
                return unknown("device", cause, _LONGER), None
            return good("device", "; ".join(sentences_of(trial, answer))), answer["memory"]
        except RatatouilleError as error:
            return refused("device", error), None


def of_several(checks: Sequence[StepCheck]) -> StepCheck:
    """One check for several of the same step: the worst state, and what was found by each that is not good."""
    order = ("bad", "unknown", "warning", "good")
    worst = min(checks, key=lambda one: order.index(one.state))
    causes = dict.fromkeys(one.cause for one in checks if worst.state in ("good", one.state))
    return worst.model_copy(update={"cause": "; ".join(causes)})


def _age() -> float:
    """Seconds since this process was started, where the system says it."""
    try:
        began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return float(Path("/proc/uptime").read_text().split()[0]) - began
    except (OSError, ValueError, IndexError):
        return 1.0


def _in_thread(work: Callable[[], _RESULT]) -> Future[_RESULT]:
    """Begin some work; nobody waits for it when the process ends."""
    future: Future[_RESULT] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="check", daemon=True).start()
    return future


def _within(future: Future[_RESULT], until: float) -> _RESULT | None:
    """The result of some work; None when it is not there in time."""
    try:
        return future.result(timeout=max(0.0, until - time.monotonic()))
    except TimeoutError:
        return None
