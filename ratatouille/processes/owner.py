"""Ends a process when the one that started it is gone: for work that nobody would wait for any more."""

from __future__ import annotations

import os
import threading
import time

_LOOK_SECONDS = 0.5


def end_with_owner(owner: int) -> None:
    """End this process, at once and with code 1, soon after its parent is no longer the process `owner`.

    An owner that is killed lets nobody tidy up, and a process in a session of its own hears nothing of the terminal.
    """
    threading.Thread(target=_watch, args=(owner,), daemon=True).start()


def _watch(owner: int) -> None:
    while os.getppid() == owner:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)
