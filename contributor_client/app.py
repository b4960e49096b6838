"""The ClientApp: what a node does with a message from the coordinator. It imports no torch and runs no code of others.

An order goes to the worker's socket and its reply comes back; an introduction is sealed with the node's key. Where both
are is in the node's own configuration, which the coordinator never sees.
"""

from __future__ import annotations

from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from contributor_client.parking import Parking
from contributor_client.paths import NODE_KEY, WORKER_SOCKET, WORKERS, NodePaths
from contributor_client.relay import Workers, relay
from ratatouille.errors import Unreachable
from ratatouille.exchange.bundle import pack, unpack
from ratatouille.exchange.order import introduce
from ratatouille.exchange.signing import Signer

app = ClientApp()
_WORKERS = Workers()


@app.query("work")
def work(message: Message, context: Context) -> Message:
    """Hand an order to an idle worker and return its reply."""
    first = Path(str(context.node_config[WORKER_SOCKET]))
    paths = NodePaths(first.parent)
    sockets = [first, *(one.socket for one in paths.of_workers(int(context.node_config[WORKERS]))[1:])]
    with _WORKERS.idle(sockets) as socket:
        try:
            return Message(pack(relay(socket, unpack(message.content))), reply_to=message)
        except Unreachable as error:
            # Workers ended while they did the order, or none runs: the node is parked for a while, longer each time.
            Parking(paths.parked).park(error, "")
            raise


@app.query("introduce")
def introduce_node(message: Message, context: Context) -> Message:
    """Say, sealed, which of our nodes this Flower node is."""
    signer = Signer.open(Path(str(context.node_config[NODE_KEY])))
    return Message(pack(introduce(signer, context.node_id, context.run_id)), reply_to=message)
