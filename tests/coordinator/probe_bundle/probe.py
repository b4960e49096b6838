"""Gives orders to every node, two at a time, and writes down what came back; `registry` holds the settings as JSON."""

import json
import time
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from coordinator.dispatch import POLL_SECONDS, Dispatch

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run until all orders are answered."""
    settings = json.loads(str(context.run_config["registry"]))
    results = Path(settings["results"])
    dispatch = Dispatch(grid)
    began = time.time()
    nodes: dict[int, str] = {}
    while len(nodes) < settings["nodes"] and time.time() < began + settings["patience"]:
        nodes = dispatch.nodes()
        dispatch.poll()
        time.sleep(POLL_SECONDS)
    met = time.time()
    waiting = {
        node: [{"number": number, **settings["order"]} for number in range(settings["orders"])] for node in nodes
    }
    at_work = dict.fromkeys(nodes, 0)
    replies = []
    while any(waiting.values()) or any(at_work.values()):
        for node, orders in waiting.items():
            while orders and at_work[node] < 2:
                dispatch.send(node, json.dumps(orders.pop(0)).encode())
                at_work[node] += 1
        for reply in dispatch.poll():
            at_work[reply.node] -= 1
            body = None if reply.body is None else json.loads(reply.body)
            seen = {"node": reply.node, "body": body, "error": reply.error, "lost": reply.lost, "at": time.time()}
            replies.append(seen)
        time.sleep(POLL_SECONDS)
    told = {"nodes": nodes, "replies": replies, "began": began, "met": met}
    results.with_suffix(".part").write_text(json.dumps(told))
    results.with_suffix(".part").rename(results)
