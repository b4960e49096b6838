"""A worker process of a rehearsal: it stands in for every node that holds the data of an order."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ratatouille.exchange.assignment import FineTune, NodeAssignment
from ratatouille.exchange.order import Hint, Order
from ratatouille.exchange.receipt import Disclosure
from ratatouille.exchange.signing import Signer
from ratatouille.failure import Failure
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.node import NodeSettings, open_holdings
from registry.opening import open_registry


@dataclass(frozen=True)
class RehearsalSite:
    """The site of a rehearsal: the registry and data that each worker process opens."""

    url: str
    nodes: tuple[NodeSettings, ...]
    folder: Path


class RehearsalWorker:
    """The open registry and data of one worker process."""

    def __init__(self, site: RehearsalSite) -> None:
        self.registry = open_registry(site.url)
        self.site = site
        self.data: dict[str, list[tuple[NodeSettings, LocalData]]] = {}
        for settings in site.nodes:
            opened = open_holdings(settings, self.registry.definitions.task, site.folder / "data")
            for fingerprint, data in opened.items():
                self.data.setdefault(fingerprint, []).insert(0, (settings, data))

    def held(self, assignment: NodeAssignment) -> list[tuple[NodeSettings, LocalData]]:
        """The nodes that hold the data of an assignment, with that data."""
        return self.data.get(assignment.fingerprint, [])

    def signer(self, node: str) -> Signer:
        """The key of one of the nodes."""
        return Signer.open(self.site.folder / node / "key")


workers: list[RehearsalWorker] = []
"""The worker of this process, once `open_site` was called."""


def open_site(site: RehearsalSite) -> None:
    """Open registry and data in this process, which works on them from now on."""
    from ratatouille.training import numerics

    os.umask(0o077)  # what comes from images is their owner's alone
    numerics.apply()
    workers.append(RehearsalWorker(site))


def work(order_json: bytes, maker: str | None = None) -> tuple[bytes, str]:
    """The hint, and the sentence about a refusal; a node that made what is counted leaves that to another one."""
    from ratatouille.training.answer import answer

    order = Order.from_json(order_json)
    worker = workers[0]
    assert isinstance(order.assignment, NodeAssignment)
    held = [(settings, data, worker.signer(settings.name)) for settings, data in worker.held(order.assignment)]
    if not held:
        reason = "the round uses data that another node offers; rehearse with its node.toml too, or on another registry"
        failure = Failure(code="data-not-held")
        return Hint(work_id=order.assignment.digest, outcome="refused", failure=failure).to_json(), reason
    settings, data, signer = next((one for one in held if one[2].node != maker), held[0])
    words: list[str] = []
    hint: Hint = answer(
        order,
        data,
        worker.registry,
        signer,
        worker.site.folder / "work",
        explain=lambda error: words.append(str(error)),
        permit=lambda _: Disclosure(smallest=settings.smallest_count),
    )
    return hint.to_json(), "".join(words)


def pace(order_json: bytes) -> float:
    """Seconds of a step of a training."""
    from ratatouille.training.timing import seconds_per_step

    assignment = Order.from_json(order_json).assignment
    worker = workers[0]
    assert isinstance(assignment, FineTune)
    _, data = worker.held(assignment)[0]
    return seconds_per_step(assignment, worker.registry.definitions.architecture(assignment.architecture), data)
