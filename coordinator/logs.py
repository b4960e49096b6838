"""The log of a round: one bounded file in the coordinator's state folder.

Flower discards what a ServerApp prints and forgets its own copy when the run is over, so the ServerApp writes this file
itself. The SuperLink's environment, which the ServerApp inherits, names the folder.
"""

from __future__ import annotations

import logging
import os
import re
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ratatouille.printable import LOG_FORMAT, PrintableFormatter

FOLDER = "RATATOUILLE_LOGS"
"""The environment variable that names the folder of logs."""
_BYTES = 4 * 2**20


def round_log(folder: Path, round: str) -> Path:
    """Where the log of a round is; `folder` is the folder of logs."""
    return folder / f"round-{re.sub(r'[^A-Za-z0-9._-]', '_', round)[:80]}.log"


def keep_log(round: str) -> None:
    """From now on, write what this process logs into the round's file too; does nothing outside a SuperLink."""
    if FOLDER not in os.environ:
        return
    folder = Path(os.environ[FOLDER])
    folder.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(round_log(folder, round), maxBytes=_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(PrintableFormatter(LOG_FORMAT))
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    for name in ("coordinator", "registry", "ratatouille"):
        logging.getLogger(name).setLevel(logging.INFO)
