"""Rounds on one machine without Flower: the same plan, the same work, worker processes instead of nodes.

It serves researchers, tests and laptops. On one machine with equal packages and data it makes the same weights, bit for
bit, as a federation does. Torch may be absent here: a foundation is entered by the command that people type, as a child
process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from coordinator.driver import RoundDriver
from coordinator.rehearsal_worker import RehearsalSite as RehearsalSite
from coordinator.rehearsal_worker import open_site, pace, work
from coordinator.requests import request
from coordinator.settings import RoundSettings
from ratatouille.errors import RatatouilleError, Refusal
from ratatouille.exchange.membership import make_offer
from ratatouille.exchange.order import Hint, Order
from ratatouille.exchange.signing import Signer
from ratatouille.failure import UNREADABLE, Failure
from ratatouille.processes import Child, Program, environment_with_scripts, module
from ratatouille.processes.ending import process_pool
from ratatouille.recipes.round import Round
from ratatouille.tasks.node import open_holdings
from ratatouille.tasks.task import Task
from registry.opening import open_registry
from registry.services.registry import Registry

T = TypeVar("T")
_QUEUED = 2
"""Orders under way for each worker: one at work and one that waits, so that a deadline finds little that is queued."""
_TAKEN_SECONDS = 0.5
"""Pause before work is tried again that another process, such as another rehearsal, has taken."""
WORKER_IMPORTS = ("registry.services.local", "ratatouille.training.worker_imports")
"""What each worker process would import."""
ALIAS = "foundation"


def lay_out(
    site: RehearsalSite, tasks: Iterable[Task], foundation: str, image_size: int, architecture: str | None = None
) -> None:
    """Define tasks and enter the foundation in the site's own registry, unless an earlier call has done so.

    Raises:
        Refusal: a foundation that cannot be entered, or tasks that are defined otherwise there.
    """
    registry = open_registry(site.url)
    for task in tasks:
        registry.definitions.define_task(task)
    enter_once(registry, site.url, site.folder / "logs" / "foundation.log", foundation, image_size, architecture)
    registry.close()


def offer_all(registry: Registry, site: RehearsalSite, seconds: float = 30 * 24 * 3600.0) -> set[str]:
    """Put the rehearsal's own offers into the registry: one for each node.toml. Returns the fingerprints."""
    offered: set[str] = set()
    for settings in site.nodes:
        signer = Signer.open(site.folder / settings.name / "key")
        holdings = open_holdings(settings, registry.definitions.task, site.folder / "data")
        registry.work.offer(make_offer(signer, settings.name, holdings.values(), "rehearsal", settings.trains, seconds))
        offered |= holdings.keys()
    return offered


def rehearse(
    settings: RoundSettings,
    site: RehearsalSite,
    workers: int = 1,
    fresh: bool = False,
    on_progress: Callable[[Sequence[RoundDriver]], None] | None = None,
) -> Round:
    """Run a round to its end and return it; arguments as `rehearse_all`."""
    return rehearse_all([settings], site, workers, fresh, on_progress)[0]


def rehearse_all(
    settings: Sequence[RoundSettings],
    site: RehearsalSite,
    workers: int = 1,
    fresh: bool = False,
    on_progress: Callable[[Sequence[RoundDriver]], None] | None = None,
) -> list[Round]:
    """Run rounds to their ends, the first one's work first; what several ask is done once.

    Args:
        settings: the rounds' settings.
        site: registry and data.
        workers: worker processes; each uses one thread.
        fresh: ask anew what has been answered.
        on_progress: called with the rounds' drivers after every change.

    Raises:
        Refusal: as `resolve` does, and for work that cannot be done.
    """
    registry = open_registry(site.url)
    fleet = registry.info().fleet
    if fleet is not None:
        # Its scheduler would run the same round too, and our offers would bind its rounds to data that no node there
        # holds.
        raise Refusal(f"a coordinator uses this registry (fleet at {fleet}); rehearse in a registry of its own")
    held = offer_all(registry, site)
    rounds = [request(each, registry, fresh) for each in settings]
    for round in rounds:
        registry.rounds.move_round(round.id, ["requested"], "running")
    averages = ThreadPoolExecutor(1, thread_name_prefix="combining")  # of all rounds, one after the other
    signer = Signer.open(site.folder / "key")
    drivers = [
        RoundDriver.of(registry.rounds.round(round.id), registry, executor=averages, signer=signer) for round in rounds
    ]
    with averages, process_pool(workers, open_site, (site,), WORKER_IMPORTS) as pool:
        try:
            _until_done(drivers, lambda: _owed(registry, held), pool, workers, on_progress)
            endings = [driver.conclude(driver.gather()) for driver in drivers]
        except RatatouilleError as error:
            # The sentence may name files, and is for this terminal only; a registry may be read by others.
            reason = f"{error.failure.sentence()} [{error.failure.code}]" if isinstance(error, _NotDone) else str(error)
            for round in rounds:
                registry.rounds.move_round(round.id, ["running"], "failed", reason)
            raise
        finally:
            for driver in drivers:
                driver.combiner.close()
    for round, ending in zip(rounds, endings, strict=True):
        registry.rounds.move_round(round.id, ["running"], "done", ending)
    return rounds


def seconds_per_step(site: RehearsalSite, order: Order) -> float:
    """How long a step of a training takes here, measured in a worker process; nothing is kept of it.

    Raises:
        Refusal: as the training would, or for data that the site does not hold.
    """
    with process_pool(1, open_site, (site,), WORKER_IMPORTS) as pool:
        return _result(pool.submit(pace, order.to_json()))


def _owed(registry: Registry, held: Collection[str]) -> dict[str, Order]:
    """Counts on data that is here, which the registry owes outside of any round (`coordinator.evaluations`)."""
    found = registry.work.obligations()
    return {one.work_id: one.order for one in found if getattr(one.order.assignment, "fingerprint", None) in held}


def _until_done(
    drivers: Sequence[RoundDriver],
    owed: Callable[[], Mapping[str, Order]],
    pool: ProcessPoolExecutor,
    workers: int,
    on_progress: Callable[[Sequence[RoundDriver]], None] | None,
) -> None:
    under_way: dict[Future[tuple[bytes, str]], str] = {}
    refused: set[str] = set()
    while True:
        orders = {work_id: order for one in drivers for work_id, order in one.advance().orders.items()}
        beside = {work_id: order for work_id, order in owed().items() if work_id not in refused}
        authors = {version: node for one in drivers for version, node in one.authors.items()}
        if on_progress is not None:
            on_progress(drivers)
        for work_id, order in (orders | beside).items():
            if len(under_way) >= _QUEUED * workers:
                break
            if work_id not in under_way.values():
                maker = authors.get(order.about or "")
                under_way[pool.submit(work, order.to_json(), maker)] = work_id
        pending: set[Future[Any]] = {*under_way, *(future for one in drivers for future in one.combiner.under_way)}
        if not pending:
            return
        wait(pending, return_when=FIRST_COMPLETED)
        for future in [future for future in under_way if future.done()]:
            work_id = under_way.pop(future)
            answered, words = _result(future)
            hint = Hint.from_json(answered)
            if hint.outcome in ("refused", "failed"):
                if work_id in beside:  # no round waits for it
                    refused.add(work_id)
                    continue
                pool.shutdown(wait=False, cancel_futures=True)
                failure = hint.failure or UNREADABLE
                raise _NotDone(words or failure.sentence(), failure)
            if hint.outcome == "taken":
                time.sleep(_TAKEN_SECONDS)


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise Refusal(
            "a worker process of the rehearsal ended, perhaps for want of memory; run it again with fewer workers, and "
            "it goes on where it was"
        ) from error


class _NotDone(Refusal):
    """Work that a worker process refused."""

    def __init__(self, words: str, failure: Failure) -> None:
        super().__init__(words)
        self.failure = failure


def enter_once(
    registry: Registry, url: str, log: Path, source: str, image_size: int, architecture: str | None = None
) -> None:
    """Enter weights under the alias `foundation`, unless there is one.

    Args:
        registry: where it is looked for.
        url: how the command reaches that registry.
        log: what the command says.
        source: what `ratatouille foundation` takes.
        image_size: pixels of a side.
        architecture: timm's name of the network, where the source does not say it.

    Raises:
        Refusal: weights that cannot be entered, in the command's words.
    """
    if registry.releases.alias_history(ALIAS, limit=1):
        return
    command = [*module("ratatouille.cli.main"), "foundation", source, "--as", ALIAS]
    command += ["--image-size", str(image_size), "--remote", url]
    command += [] if architecture is None else ["--architecture", architecture]
    with Child(Program("foundation", tuple(command), log, environment_with_scripts())) as child:
        while child.running:
            time.sleep(0.1)
        if child.exit_code:
            raise Refusal(f"the foundation was not entered: {child.log_tail(3)}")
