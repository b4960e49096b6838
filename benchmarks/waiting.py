"""Waiting for what services will have done."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from ratatouille.errors import Unreachable


def wait_until(true: Callable[[], bool], what: str, seconds: float = 300.0) -> None:
    """Wait for something that will be true; services that are just starting may be unreachable.

    Raises:
        TimeoutError: when it is not true in time; it says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(Unreachable):
            if true():
                return
        time.sleep(0.1)
    raise TimeoutError(f"waited {seconds:.0f} s in vain until {what}")
