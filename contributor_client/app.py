"""The ClientApp: what a node does with a message from the coordinator. It imports no torch and runs no code of others.

An order goes to the worker's socket and its reply comes back. Whatever the node says is sealed with its key, failures
too (`sealed`). Where socket and key are is in the node's own configuration, which the coordinator never sees.
"""

from __future__ import annotations

from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from contributor_client.parking import Parking
from contributor_client.paths import NODE_KEY, WORKER_SOCKET, WORKERS, NodePaths
from contributor_client.relay import Workers, relay
from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.bundle import pack, unpack
from ratatouille.exchange.order import introduce, seal_reply
from ratatouille.exchange.signing import Signer
from ratatouille.failure import Failure

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
            hint = relay(socket, unpack(message.content))
        except Unreachable as error:
            # Workers ended while they did the order, or none runs: the node is parked for a while, longer each time.
            Parking(paths.parked).park(error, "")
            raise
    return Message(pack(sealed(message, context, hint)), reply_to=message)


@app.query("introduce")
def introduce_node(message: Message, context: Context) -> Message:
    """Say, sealed, which of our nodes this Flower node is."""
    return Message(pack(introduce(_signer(context), context.node_id, context.run_id)), reply_to=message)


def sealed(message: Message, context: Context, outcome: bytes | Failure) -> bytes:
    """The reply to this message, sealed: a worker's hint, or why there is none.

    Raises:
        Damaged: when the node's key cannot be read.
    """
    try:
        order = unpack(message.content)
    except Refusal:  # of another program, which is refused
        order = b""
    return seal_reply(_signer(context), message.metadata.message_id, order, outcome)


def _signer(context: Context) -> Signer:
    return Signer.open(Path(str(context.node_config[NODE_KEY])))
