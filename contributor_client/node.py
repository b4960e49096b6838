"""A node: opens its data, offers it, and keeps its three processes alive (SuperNode, executor, worker).

This process imports no torch and does no work of its own but renewing the offer. It goes on through any outage of
coordinator or registry, since a contributor should have to start it once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from contributor_client.parking import Parking
from contributor_client.paths import NodePaths
from contributor_client.trial import DeviceTrial
from contributor_client.work_lane import SuperNodeSettings, WorkLane
from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.membership import OfferWithdrawal, make_offer
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.processes import Child, Program, environment_with_scripts, module
from ratatouille.processes.locks import only_one
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.images import Progress
from ratatouille.tasks.kept import forget_others, make_own
from ratatouille.tasks.node import NodeSettings, open_holdings
from ratatouille.training.preflight import Trial, work_of
from registry.opening import open_registry
from registry.services.registry import Registry

_log = logging.getLogger(__name__)
OFFER_SECONDS = 20.0
"""How long an offer stands after its last renewal."""
_RENEW_SECONDS = 5.0
_FIRST_SECONDS = 0.5
"""Between two looks while the node waits for a first sign on its work lane."""
_PATIENCE = 30.0
"""How long a joining node waits for a coordinator that is just starting."""
_MOST_ROUNDS = 50
"""Rounds that are looked through for what they ask."""


class Node:
    """A running node; `join` starts it, `run` keeps it until `stop` is set."""

    def __init__(self, settings: NodeSettings, file: Path, folder: Path, remote: str) -> None:
        """`file` is the node.toml (the worker reads it again), `remote` the registry's address."""
        self.settings = settings
        self.paths = NodePaths(folder)
        self._parking = Parking(self.paths.parked)
        self._file = file
        self._remote = remote
        self.signer = Signer.open(self.paths.key)

    def open(self, progress: Progress | None = None) -> dict[str, LocalData]:
        """Open the data, as the worker will.

        Raises:
            Refusal: when registry, tasks or data are not as they should be.
        """
        registry = open_registry(self._remote)
        try:
            return open_holdings(self.settings, registry.definitions.task, self.paths.data, progress)
        finally:
            registry.close()

    def run(
        self,
        stop: threading.Event,
        say: Callable[[str], None] = lambda _: None,
        progress: Progress | None = None,
    ) -> None:
        """Join the federation and stay until `stop` is set.

        Raises:
            Refusal: when the node cannot join as it is configured, or runs already.
        """
        with ExitStack() as stack:
            stack.enter_context(suppress(_Stopped))
            folder, name = self.paths.folder, self.settings.name
            make_own(folder)
            # Two nodes with one identity would answer each other's orders.
            taken = f"node '{name}' runs already from {folder}; a second node needs its own `folder`"
            stack.enter_context(only_one(folder / "lock", taken))
            registry = open_registry(self._remote)
            stack.callback(registry.close)
            fleet = _fleet(registry, stop)
            reading = _interruptible(stop, progress)
            holdings = open_holdings(self.settings, registry.definitions.task, self.paths.data, reading)
            if fleet is None:
                return
            self._forget_others(holdings.values(), say)
            for data in holdings.values():
                for note in data.notes:
                    say(f"note: {note}")
            self._parking.clear()
            trial = DeviceTrial(self.paths.folder, self._trial(registry, holdings.values()))
            settings = SuperNodeSettings(self.paths.folder, fleet, self.paths.key, self.paths.socket)
            worker, lane = Child(self._worker(holdings)), WorkLane(settings, say)
            stack.callback(lane.stop)
            stack.enter_context(worker)
            lane.start()  # it takes seconds, as the trial does; no order comes before the node has offered its data
            for sentence in trial.sentences(worker, stop):
                say(sentence)
            self._renew_until_stopped(registry, holdings, lane, stop, say)

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
            say(f"removed {len(removed)} files with copies of images that are not offered any more")

    def _trial(self, registry: Registry, holdings: Iterable[LocalData]) -> Trial:
        """A little of the work that rounds ask for, which the device does before rounds use this node."""
        rounds = [
            one.spec for one in registry.rounds.rounds(limit=_MOST_ROUNDS) if one.state not in ("failed", "cancelled")
        ]
        try:
            foundation = registry.versions.show("latest").entry.version.architecture
        except Refusal:  # nothing is released yet
            foundation = None
        work = work_of(holdings, rounds, foundation, registry.definitions.architecture, self.settings.trains)
        return Trial(device=self.settings.device, work=work)

    def _renew_until_stopped(
        self,
        registry: Registry,
        holdings: dict[str, LocalData],
        lane: WorkLane,
        stop: threading.Event,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Renew the offer every few seconds until `stop` is set, then withdraw it."""
        reachable, joined = True, False
        known: set[str] = set()
        while not stop.is_set():
            known = self._say_what_is_parked(known, say)
            try:
                connected = lane.look(registry.info().fleet)
                registry.work.offer(self._offer(holdings, connected))
                if connected and not joined:
                    joined = True
                    say(f"node {self.settings.name} ({self.signer.node[:12]}) has joined {self._remote}")
                if not reachable:
                    _log.info("the registry at %s answers again", self._remote)
                reachable = True
            except Unreachable as error:
                if reachable:
                    _log.warning("%s; the node goes on and tries again", error)
                reachable = False
            stop.wait(_RENEW_SECONDS if joined else _FIRST_SECONDS)
        try:
            registry.work.withdraw_offer(self.signer.seal(OfferWithdrawal(node=self.signer.node, issued=time.time())))
        except Unreachable:
            _log.warning("the offer was not withdrawn: the registry does not answer; it ends by itself")

    def _say_what_is_parked(self, known: set[str], say: Callable[[str], None]) -> set[str]:
        """Print what the node does no work with for now, if it is new; returns the sentences, `known` are the last."""
        places = {place.sentence: place for place in self._parking.active()}
        for sentence in places.keys() - known:
            place = places[sentence]
            what = "its data of one task" if place.fingerprint else "this node"
            until = time.strftime("%H:%M", time.localtime(place.until))
            say(f"parked: {sentence}; no work with {what} until {until}, or until the node is started again")
        if known and not places:
            say("nothing is parked any more: the node takes work again")
        return set(places)

    def _offer(self, holdings: dict[str, LocalData], connected: bool) -> Sealed:
        return make_offer(
            self.signer,
            self.settings.name,
            holdings.values(),
            self.settings.device,
            self.settings.trains,
            OFFER_SECONDS,
            parked=self._parking.offered(),
            hears_orders=connected,
        )

    def _worker(self, offered: Iterable[str]) -> Program:
        command = [*module("contributor_client.worker"), "--settings", str(self._file)]
        command += ["--folder", str(self.paths.folder), "--remote", self._remote, "--offered", *offered]
        environment = environment_with_scripts(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
        return Program("worker", tuple(command), self.paths.logs / "worker.log", environment, restart=True)


class _Stopped(Exception):
    """The node is to end while it still reads its images."""


def _interruptible(stop: threading.Event, progress: Progress | None) -> Progress:
    """The same callback of progress, which raises `_Stopped` once `stop` is set: reading images may take minutes."""

    def check(done: int, total: int) -> None:
        if stop.is_set():
            raise _Stopped
        if progress is not None:
            progress(done, total)

    return check


def _fleet(registry: Registry, stop: threading.Event) -> str | None:
    """The SuperLink's address, None when `stop` is set; waits a moment for a coordinator that is just starting."""
    deadline = time.monotonic() + _PATIENCE
    while (fleet := registry.info().fleet) is None:
        if time.monotonic() > deadline:
            raise Refusal("the registry answers, but no coordinator is up; start one with `ratatouille coordinator up`")
        if stop.wait(0.5):
            return None
    return fleet
