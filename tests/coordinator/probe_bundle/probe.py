"""Gives orders to every node, two at a time, and writes down what came back; `registry` holds the settings as JSON."""

import json
import time
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from coordinator.dispatch import POLL_SECONDS, Dispatch
from coordinator.environment import keep_log

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run until all orders are answered."""
    keep_log(str(context.run_config["round"]))
    settings = json.loads(str(context.run_config["registry"]))
    dispatch = Dispatch(grid)
    until = time.time() + settings["patience"]
    nodes: dict[int, str] = {}
    while settings["key"] not in nodes.values() and time.time() < until:
        dispatch.poll()
        nodes = dispatch.nodes()
        time.sleep(POLL_SECONDS)
    node = next(node for node, key in nodes.items() if key == settings["key"])
    orders, at_work, replies = list(settings["orders"]), 0, []
    while orders or at_work:
        while orders and at_work < 2:
            dispatch.send(node, json.dumps(orders.pop(0)).encode())
            at_work += 1
        for reply in dispatch.poll():
            at_work -= 1
            body = None if reply.body is None else json.loads(reply.body)
            failure = None if reply.failure is None else reply.failure.code
            replies.append({"body": body, "failure": failure, "lost": bool(reply.lost)})
        time.sleep(POLL_SECONDS)
    results = Path(settings["results"])
    results.with_suffix(".part").write_text(json.dumps({"nodes": nodes, "replies": replies}))
    results.with_suffix(".part").rename(results)
