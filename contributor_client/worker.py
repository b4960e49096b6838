"""The worker: a process that owns a node's data and GPU; it takes one order at a time, trains, pushes and replies.

It is the only process of a node that imports torch, at its first work. It is restarted on any exit and goes on from its
checkpoints. A signal ends it at once: a training is saved as it was after its last step, even in the middle of the next
one. It does not know Flower: orders come through a socket of the node's folder. A node has one for each of its devices.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from contributor_client.activity import ActivityFile
from contributor_client.answers import Worker
from contributor_client.paths import NodePaths
from contributor_client.relay import serve
from contributor_client.trial import try_device
from ratatouille.errors import RatatouilleError, Refusal
from ratatouille.outbox import Outbox, outbox_of
from ratatouille.printable import log_printably
from ratatouille.processes import stop_on_signals
from ratatouille.tasks.node import NodeSettings, read_node_settings
from ratatouille.training.saver import Saver
from registry.opening import open_registry

_log = logging.getLogger(__name__)
END_SECONDS = 60.0
"""How long the checkpoint of a large network may take."""
IDLE_SECONDS = 600.0
"""A worker that has waited for so long ends and is started again without torch, so that its memory is free."""
_FINISH_SECONDS = 1.0
"""How long work that has no checkpoint may go on to its end; else it begins again at the next start."""


def work_forever(
    settings: NodeSettings,
    paths: NodePaths,
    remote: str,
    offered: Sequence[str],
    stop: threading.Event,
    leave_at: float | None = None,
) -> None:
    """Serve orders until `stop` is set; `offered` and `leave_at` as `Worker` takes them.

    Raises:
        Refusal: when registry or key cannot be opened.
    """
    try_device(paths.own)
    outbox = outbox_of(paths.folder, remote)
    registry = open_registry(remote, cache=paths.weights, cache_bytes=settings.weights_bytes, outbox=outbox)
    saver = Saver()
    worker = Worker(settings, paths, registry, offered, saver, leave_at)
    threading.Thread(target=_end, args=(worker.activity, saver, outbox, stop), name="end", daemon=True).start()
    _log.info("worker ready")

    def handle(body: bytes) -> bytes:
        try:
            return worker.handle(body)
        finally:
            outbox.flush()

    serve(paths.socket, handle, stop, enough=lambda idle: idle > IDLE_SECONDS and "torch" in sys.modules)
    _exit(worker.activity, outbox)


def _limit_processors(cpus: int | None) -> None:
    """Use so many processors at most, on Linux; a training has one thread in any case."""
    if cpus is not None and sys.platform == "linux":
        allowed = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(allowed)  # so that the workers of several nodes do not share the same ones
        os.sched_setaffinity(0, {allowed[(first + number) % len(allowed)] for number in range(cpus)})


def _end(activity: ActivityFile, saver: Saver, outbox: Outbox, stop: threading.Event) -> None:
    """Write the activity until `stop` is set; then save the training and end the process, whatever it does."""
    activity.write_until(stop)
    try:
        step = saver.save()
    except Exception as error:
        _log.exception("the training was not saved")
        activity.note_problem(f"the training was not saved: {error}")
        step = None
    if step is None:
        time.sleep(_FINISH_SECONDS)  # an idle worker ends by itself meanwhile
    else:
        activity.note_saved(step)
        _log.info("saved after step %s", step)
    _exit(activity, outbox)


def _exit(activity: ActivityFile, outbox: Outbox) -> None:
    """End this process at once: nothing is left to do, and unloading torch takes seconds."""
    activity.write()
    outbox.flush()
    logging.shutdown()
    os._exit(0)


def main() -> None:
    """`python -m contributor_client.worker`, as the node starts it."""
    parser = argparse.ArgumentParser(description="Worker of a contributor's node.")
    parser.add_argument("--settings", required=True, type=Path)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--remote", required=True)
    parser.add_argument("--offered", required=True, nargs="+", help="fingerprints, one for each table of data")
    parser.add_argument("--worker", type=int, default=0, help="which of the node's workers, from 0")
    parser.add_argument("--leave-at", type=float, help="when the node leaves, in seconds since 1970")
    arguments = parser.parse_args()
    stop = stop_on_signals(END_SECONDS)
    log_printably("%(asctime)s %(message)s")
    try:
        settings = read_node_settings(arguments.settings)
        if len(settings.data) != len(arguments.offered):
            raise Refusal(f"'{arguments.settings}' changed since the node was started; start it again")
        os.nice(settings.nice)
        _limit_processors(settings.cpus)
        paths = NodePaths(arguments.folder, arguments.worker)
        work_forever(settings, paths, arguments.remote, arguments.offered, stop, arguments.leave_at)
    except RatatouilleError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
