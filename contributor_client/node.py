"""A node: opens its data, offers it, and keeps its two processes alive (SuperNode, worker).

This process imports no torch and does no work of its own but renewing the offer. It goes on through any outage of
coordinator or registry, since a contributor should have to start it once. While its owner has paused it, and outside of
its hours, it rests: its processes end, what they trained is saved, and nothing is offered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path

from contributor_client.activity import Activity, ActivityFile, together
from contributor_client.control import Control, Instruction, NodeState, State
from contributor_client.node_enrolment import NodeEnrolment, fleet_address, whose_new_node
from contributor_client.node_processes import END_SECONDS, NodeProcesses, WorkerProcess
from contributor_client.offer_renewal import OfferRenewal
from contributor_client.parking import Parking
from contributor_client.paths import NodePaths
from contributor_client.running import Running, RunningFile
from contributor_client.trial import DeviceTrial
from contributor_client.work_lane import SuperNodeSettings, WorkLane
from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.outbox import outbox_of
from ratatouille.processes import Program, environment_with_scripts, service
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.hours import hours_of
from ratatouille.tasks.images import Progress
from ratatouille.tasks.kept import forget_others, make_own
from ratatouille.tasks.node import NodeSettings, open_holdings
from ratatouille.training.asked_work import work_of
from ratatouille.training.preflight import DeviceWork, Trial
from ratatouille.wording import number_of
from registry.opening import open_registry
from registry.records import Info
from registry.round_work import work_of_rounds
from registry.services.registry import Registry

_LOOK_SECONDS = 0.5
"""Between two looks at the owner's instruction and at what the worker does."""
_PATIENCE = 30.0
"""How long a joining node waits for a coordinator that is just starting."""


class Node:
    """A running node; `join` starts it, `run` keeps it until `stop` is set."""

    def __init__(
        self, settings: NodeSettings, file: Path, folder: Path, remote: str, leave_at: float | None = None
    ) -> None:
        """Nothing is started yet.

        Args:
            settings: of the node.
            file: the node.toml; the worker reads it again.
            folder: with the node's key and its files.
            remote: the registry's address.
            leave_at: when the node leaves by itself, in seconds since 1970; None to stay.
        """
        self.settings = settings
        self._leave_at = leave_at
        self.paths = NodePaths(folder)
        self._parking = Parking(self.paths.parked)
        self._control = Control(folder)
        self._running = RunningFile(self.paths.running)
        self._file = file
        self._remote = remote

    @cached_property
    def signer(self) -> Signer:
        """The node's key; the first use makes it."""
        return Signer.open(self.paths.key)

    def open(self, progress: Progress | None = None) -> dict[str, LocalData]:
        """Open the data, as the worker will.

        Raises:
            Refusal: when registry, tasks or data are not as they should be.
        """
        registry = self._registry()
        try:
            return open_holdings(self.settings, registry.definitions.task, self.paths.data, progress)
        finally:
            registry.close()

    def _registry(self) -> Registry:
        """The registry, with everything that is sent to it logged."""
        return open_registry(self._remote, outbox=outbox_of(self.paths.folder, self._remote))

    def run(
        self,
        stop: threading.Event,
        say: Callable[[str], None] = lambda _: None,
        progress: Progress | None = None,
        show: Callable[[State, Activity], None] = lambda *_: None,
    ) -> None:
        """Join the federation and stay until `stop` is set, or its owner instructs it to leave.

        Args:
            stop: set when the node is to end; `node leave` sets it too.
            say: called with each sentence for the owner.
            progress: called while images are read.
            show: called about twice a second with what the node does.

        Raises:
            Refusal: when the node cannot join as it is configured, or runs already.
        """
        with ExitStack() as stack:
            stack.enter_context(suppress(_Stopped))
            folder, name = self.paths.folder, self.settings.name
            make_own(folder)
            # Two nodes with one identity would answer each other's orders.
            taken = f"node '{name}' runs already from {folder}; a second node needs its own `folder`"
            stack.enter_context(self._control.beginning(taken))
            self._note("starting")
            over = threading.Event()
            stack.callback(over.set)
            threading.Thread(target=self._stop_on_leave, args=(stop, over, say), name="leave", daemon=True).start()
            registry = self._registry()
            stack.callback(registry.close)
            info = _announced(registry, stop)
            reading = self._interruptible(stop, say, progress)
            holdings = open_holdings(self.settings, registry.definitions.task, self.paths.data, reading)
            if info is None:
                return
            if not self.paths.key.exists():
                say(f"'{folder}' has no key yet: {whose_new_node(self._remote)}, and keeps its key there")
            self._forget_others(holdings.values(), say)
            for data in holdings.values():
                for note in data.notes:
                    say(f"note: {note}")
            self._parking.clear()
            workers = self.paths.of_workers(len(self.settings.devices))
            for one in workers:
                ActivityFile(one.activity).forget()
            for file in self.paths.at_work.glob("*"):
                file.unlink()
            self._running.note(Running(file=str(self._file), remote=self._remote))
            enrolment = NodeEnrolment(registry, self._remote, self.paths, name, self.signer)
            offered = holdings.values()
            renewal = OfferRenewal(self.settings, self.signer, registry, offered, self._parking, say, enrolment)
            renewal.warn_of_namesakes()
            work = work_of(offered, *work_of_rounds(registry), registry.definitions.architecture, self.settings.trains)
            fleet = fleet_address(info, self._remote) or ""
            supernode = SuperNodeSettings(
                folder, fleet, self.paths.key, self.paths.socket, enrolment.enter(info), workers=len(workers)
            )
            lane = WorkLane(supernode, say, new_key=enrolment.enter_new_key, enter_again=enrolment.enter_again)
            processes = NodeProcesses([self._worker(one, holdings, work) for one in workers], lane)
            self._stay(processes, renewal, stop, say, show)

    def _stay(
        self,
        processes: NodeProcesses,
        renewal: OfferRenewal,
        stop: threading.Event,
        say: Callable[[str], None],
        show: Callable[[State, Activity], None],
    ) -> None:
        """Work, or rest while the owner wants it, until `stop` is set."""
        try:
            state: State = "starting"
            sentence, given = "", Instruction()
            while not stop.is_set():
                before, given_before, given = state, given, self._control.instruction()
                state = self._state_to_be(given)
                if state != before and state == "working":
                    processes.start(lambda: stop.is_set() or self._state_to_be() != "working", say)
                    sentence = "the node takes work"
                    if self._state_to_be() != "working":
                        continue  # nothing is offered before the device was tried
                elif state != before:
                    sentence = processes.stop("the node" if state == "outside hours" else "`ratatouille node resume`")
                    renewal.withdraw()
                    say(f"{self._why(state)}{sentence and f'; {sentence}'}")
                if (state, given) != (before, given_before):
                    self._note(state, sentence, given)
                activity = together([one.activity() for one in processes.workers])
                if state == "working":
                    renewal.renew(processes.lane, activity.rounds, self._remote)
                self._running.look(self._file, self._remote, processes, renewal)
                show(state, activity)
                stop.wait(_LOOK_SECONDS)
        finally:
            sentence = processes.stop(f"`ratatouille node join {self._file}`")
            if sentence:
                say(sentence)
            renewal.withdraw()
            self._note("leaving", sentence)

    def _stop_on_leave(self, stop: threading.Event, over: threading.Event, say: Callable[[str], None]) -> None:
        """Set `stop` when the owner wants the node to leave, or its time is over.

        That holds while it reads its images or tries its device, too.
        """
        while not over.wait(_LOOK_SECONDS):
            if self._leave_at is not None and time.time() >= self._leave_at:
                say("the time limit comes: the node saves its work and leaves")
            elif self._control.instruction().wish != "leave":
                continue
            stop.set()
            return

    def _interruptible(self, stop: threading.Event, say: Callable[[str], None], progress: Progress | None) -> Progress:
        """The same callback of progress, for reading images, which may take minutes.

        It waits while the node is paused, and raises `_Stopped` once `stop` is set.
        """
        look = time.monotonic() + _LOOK_SECONDS

        def check(done: int, total: int) -> None:
            nonlocal look
            if time.monotonic() >= look:
                self._wait_while_paused(stop, say, f"{done} of {total} images were read")
                look = time.monotonic() + _LOOK_SECONDS
            if stop.is_set():
                raise _Stopped
            if progress is not None:
                progress(done, total)

        return check

    def _wait_while_paused(self, stop: threading.Event, say: Callable[[str], None], sentence: str) -> None:
        """Wait while the owner wants a node to pause that has not begun to work."""
        before = Instruction()
        while not stop.is_set() and (given := self._control.instruction()).wish == "pause":
            if before.wish != "pause":
                say(f"{self._why('paused')}; {sentence}")
            if given != before:
                self._note("paused", sentence, given)
            before = given
            stop.wait(_LOOK_SECONDS)
        if before.number and not stop.is_set():
            self._note("starting", "the node reads its images", given)

    def _state_to_be(self, given: Instruction | None = None) -> State:
        """The state that the node should be in now, by its owner's instruction and its hours."""
        if (given or self._control.instruction()).wish == "pause":
            return "paused"
        hours = hours_of(self.settings.hours)
        return "working" if hours is None or hours.include(datetime.now()) else "outside hours"

    def _why(self, state: State) -> str:
        """A sentence on why the node rests, and until when."""
        if state == "paused":
            return f"paused: no work until `ratatouille node resume {self.settings.name}`"
        hours = hours_of(self.settings.hours)
        until = f" until {hours.next(datetime.now()):%H:%M}" if hours else ""
        return f"outside of this node's hours ({', '.join(self.settings.hours)}): no work{until}"

    def _note(self, state: State, sentence: str = "", followed: Instruction | None = None) -> None:
        key = self.signer.node if self.paths.key.exists() else ""  # who cannot join yet gets no key
        number = followed.number if followed is not None else 0
        self._control.note(
            NodeState(name=self.settings.name, state=state, sentence=sentence, node=key, followed=number)
        )

    def _forget_others(self, held: Collection[LocalData], say: Callable[[str], None]) -> None:
        """Remove the copies of images that are not offered any more: their owner no longer looks after them."""
        removed = forget_others(
            self.paths.data,
            self.paths.work / "features",
            [data.digests for data in held if data.image_cache],
            [data.holding.fingerprint for data in held if data.image_cache],
            [table.path if table.path.is_dir() else table.path.parent for table in self.settings.data],
        )
        if removed:
            say(f"removed {number_of(len(removed), 'file')} with copies of images that are not offered any more")

    def _worker(self, paths: NodePaths, offered: Iterable[str], work: tuple[DeviceWork, ...]) -> WorkerProcess:
        """A worker, whose device does a little of the work that rounds ask for before rounds use this node."""
        command = [*service("contributor_client.worker"), "--settings", str(self._file), "--worker", str(paths.worker)]
        command += ["--folder", str(paths.folder), "--remote", self._remote, "--offered", *offered]
        command += [] if self._leave_at is None else ["--leave-at", str(self._leave_at)]
        environment = environment_with_scripts(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
        name = f"worker {paths.worker}" if paths.worker else "worker"
        program = Program(name, tuple(command), paths.worker_log, environment, restart=True, grace=END_SECONDS)
        trial = DeviceTrial(paths.own, Trial(device=self.settings.devices[paths.worker], work=work))
        return WorkerProcess(program, trial, ActivityFile(paths.activity))


class _Stopped(Exception):
    """The node is to end while it still reads its images."""


def _announced(registry: Registry, stop: threading.Event) -> Info | None:
    """What a registry says once a coordinator is up, None when `stop` is set; waits a moment for one that starts."""
    deadline = time.monotonic() + _PATIENCE
    while (info := registry.info()).fleet is None:
        if time.monotonic() > deadline:
            raise Refusal("the registry answers, but no coordinator is up; start one with `ratatouille coordinator up`")
        if stop.wait(0.5):
            return None
    return info
