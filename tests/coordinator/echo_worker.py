"""A worker for tests: a real process behind the node's socket that answers each order with the order."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from contributor_client.relay import serve


def answer(order: bytes) -> bytes:
    wanted = json.loads(order)
    if wanted.get("fail"):
        raise RuntimeError("the data is gone")
    if "die once" in wanted and not (mark := Path(wanted["die once"])).exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if "meet" in wanted:
        mine, other = (Path(path) for path in wanted["meet"])
        mine.touch()
        until = time.monotonic() + 60
        while not other.exists():
            if time.monotonic() > until:
                raise RuntimeError("the other order is not at work")
            time.sleep(0.02)
    time.sleep(wanted.get("seconds", 0))
    return json.dumps({"order": wanted, "worker": os.getpid()}).encode()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), answer)
