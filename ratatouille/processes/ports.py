"""Ports on loopback: a free one, one that must be free, and waiting until a service answers on it."""

from __future__ import annotations

import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from ratatouille.errors import Refusal, Unreachable

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port on which no program listens now. Another program may take it first, so start what needs it at once."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def refuse_taken_port(port: int, purpose: str, setting: str) -> None:
    """Say so before a child fails to bind and hides the reason in its log.

    Raises:
        Refusal: when a program listens on the port; `setting` is what the reader can change.
    """
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((LOOPBACK, port)) == 0:
            raise Refusal(
                f"port {port} on this machine is taken, and {purpose} needs it; "
                f"stop the program that listens there, or choose another port with {setting}"
            )


def wait_for_url(
    url: str,
    seconds: float,
    alive: Callable[[], bool] = lambda: True,
    hint: str = "look into its log",
    context: ssl.SSLContext | None = None,
) -> None:
    """Return as soon as an HTTP address answers with success; `context` says which certificates https may have.

    Raises:
        Unreachable: when it does not within `seconds`, or `alive` says that no answer will come any more.
    """
    deadline = time.monotonic() + seconds
    # A proxy from the environment must not stand between two processes of one machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    while alive() and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise Unreachable(f"{url} did not answer within {seconds:.0f} seconds; {hint}")
