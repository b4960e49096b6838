"""A bad line between two network namespaces: delay, loss and a limited rate, for kernels without `netem` too.

`python -m benchmarks.hosts.line --here NAMESPACE --there SWITCH --port PORT --delay 0.1 --loss 0.02 --rate 2000000`

It makes an interface `net0` in one namespace and the switch's port in the other, and carries the frames between them.
Which frames are lost follows from a seed. It prints `ready`, and ends at SIGTERM.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import time
from contextlib import suppress
from pathlib import Path

_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_CLONE_NEWNET = 0x40000000
_LONGEST_FRAME = 65_536
_LONGEST_QUEUE_SECONDS = 1.0
"""A frame that would wait longer for the rate is dropped, as a router's buffer does."""


class Direction:
    """Frames from one end to the other."""

    def __init__(self, source: int, target: int, delay: float, loss: float, rate: float, seed: int) -> None:
        self.source, self.target = source, target
        self._delay, self._loss, self._rate = delay, loss, rate
        self._random = random.Random(seed)  # noqa: S311
        self._free = 0.0
        self.due: list[tuple[float, int, bytes]] = []
        self._count = 0

    def take(self, now: float) -> None:
        """Read one frame and decide when it arrives, if it does."""
        frame = os.read(self.source, _LONGEST_FRAME)
        if self._random.random() < self._loss:
            return
        begins = max(now, self._free)
        if begins - now > _LONGEST_QUEUE_SECONDS:
            return
        self._free = begins + (8 * len(frame) / self._rate if self._rate else 0.0)
        self._count += 1
        heapq.heappush(self.due, (self._free + self._delay, self._count, frame))

    def give(self, now: float) -> None:
        """Write the frames whose time has come."""
        while self.due and self.due[0][0] <= now:
            with suppress(OSError):  # the interface is down
                os.write(self.target, heapq.heappop(self.due)[2])


def main() -> None:
    """Carry frames until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", required=True)
    parser.add_argument("--there", required=True)
    parser.add_argument("--port", required=True, help="name of the interface in the switch's namespace")
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    here, there = _tap(chosen.here, "net0"), _tap(chosen.there, chosen.port)
    given = (chosen.delay, chosen.loss, chosen.rate)
    directions = [Direction(here, there, *given, chosen.seed), Direction(there, here, *given, chosen.seed + 1)]
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        wait = min([one.due[0][0] - now for one in directions if one.due], default=1.0)
        readable, _, _ = select.select([here, there], [], [], max(0.0, wait))
        now = time.monotonic()
        for one in directions:
            if one.source in readable:
                with suppress(OSError):  # the interface is down
                    one.take(now)
            one.give(now)


def _tap(namespace: str, name: str) -> int:
    """A TAP interface in a namespace; its frames are read from and written to the descriptor."""
    with Path(f"/var/run/netns/{namespace}").open() as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return descriptor


if __name__ == "__main__":
    main()
