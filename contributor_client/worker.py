"""The long-lived process that owns a node's data and GPU: takes one order at a time, trains, pushes, replies.

It is the only process of a node that imports torch, once. It is restarted on any exit and goes on from its checkpoints.
Flower is not known here: orders come through a socket of the node's folder.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from pathlib import Path

from contributor_client.paths import NodePaths
from contributor_client.relay import serve
from contributor_client.turns import turn
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import NodeAssignment
from ratatouille.exchange.order import Hint, Order
from ratatouille.exchange.signing import Signer
from ratatouille.tasks.node import NodeSettings, open_holdings, read_node_settings
from registry.opening import open_registry

_log = logging.getLogger(__name__)


def work_forever(settings: NodeSettings, paths: NodePaths, remote: str) -> None:
    """Serve orders until SIGTERM.

    Raises:
        Refusal: when the data cannot be opened any more.
    """
    from ratatouille.training import numerics
    from ratatouille.training.answer import answer

    numerics.apply()
    registry = open_registry(remote, cache=paths.weights, cache_bytes=settings.cache_megabytes * 2**20)
    signer = Signer.open(paths.key)
    holdings = open_holdings(settings, registry.task, paths.data)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def handle(body: bytes) -> bytes:
        order = Order.from_json(body)
        _log.info("order: %s", order.label)
        hint = _work(order)
        _log.info("%s: %s %s", order.label, hint.outcome, hint.reason)
        return hint.to_json()

    def _work(order: Order) -> Hint:
        assignment = order.assignment
        work_id = assignment.digest
        if not isinstance(assignment, NodeAssignment) or assignment.fingerprint not in holdings:
            return Hint(work_id=work_id, outcome="refused", reason="this node does not hold that data (any more)")
        if not settings.trains and assignment.kind not in ("evaluate", "compare"):
            return Hint(work_id=work_id, outcome="refused", reason="this node evaluates only (trains = false)")
        with turn(settings.turns, settings.at_once):
            return answer(order, holdings[assignment.fingerprint], registry, signer, paths.work, device=settings.device)

    _log.info("worker ready")
    serve(paths.socket, handle, stop)


def main() -> None:
    """`python -m contributor_client.worker`, as the node starts it."""
    parser = argparse.ArgumentParser(description="Worker of a contributor's node.")
    parser.add_argument("--settings", required=True, type=Path)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--remote", required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        work_forever(read_node_settings(arguments.settings), NodePaths(arguments.folder), arguments.remote)
    except Refusal as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
