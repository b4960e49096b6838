"""The memory of this process: how much it has, and giving back to the system what is free. Linux only; else nothing."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

_TABLE = Path("/proc/self/statm")
_RESIDENT = 1
"""Column of the table."""


def resident_bytes() -> int:
    """Bytes that this process has in memory; 0 where the system does not show it."""
    try:
        return int(_TABLE.read_text().split()[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def give_back() -> None:
    """Give memory that is free within this process back to the system, where its C library can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
