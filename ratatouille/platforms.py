"""Platforms: nodes, coordinators and registries in folders need POSIX; reading a registry at an address does not.

Linux and macOS are POSIX. Windows lacks `fork`, locks of whole files and sockets in folders, so there they run under
WSL 2. Modules that readers import use only what Windows has too.
"""

from __future__ import annotations

import os

from ratatouille.errors import Refusal

POSIX = hasattr(os, "fork")
MODULES = frozenset({"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"})
"""Modules of Python that Windows lacks."""


def needs_posix(what: str) -> Refusal:
    """The refusal of something that does not run on this platform."""
    return Refusal(
        f"{what} needs Linux or macOS; on Windows, nodes and coordinators run under WSL 2 (`wsl --install`), and "
        "`ratatouille log`, `show`, `pull` and `verify` read a registry at an address (--remote HOST:PORT)"
    )


def refuse_without_posix(what: str) -> None:
    """Do nothing on Linux and macOS.

    Raises:
        Refusal: elsewhere.
    """
    if not POSIX:
        raise needs_posix(what)
