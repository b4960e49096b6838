"""The environment of a ServerApp, as its coordinator sets it: the key that signs, the folder of logs, and node keys.

The key signs the announcement in the registry and the orders of rounds. It lies in the coordinator's folder, made at
the first start and readable by its owner only.

Flower discards what a ServerApp prints and forgets its own copy when the run is over. So the ServerApp writes the log
of its round itself, into one bounded file.
"""

from __future__ import annotations

import logging
import os
import re
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.printable import formatter

KEY = "RATATOUILLE_COORDINATOR_KEY"
"""The environment variable that names the file with the key."""
LOGS = "RATATOUILLE_LOGS"
"""The environment variable that names the folder of logs."""
NODE_KEYS = "RATATOUILLE_NODE_KEYS"
"""The environment variable that is set where the SuperLink answers to nodes with registered keys only."""
_BYTES = 4 * 2**20


def key_file(folder: Path) -> Path:
    """The file with the key of a coordinator's folder."""
    return folder / "key"


def signer_of_this_process() -> Signer:
    """The coordinator's key, for a ServerApp.

    Raises:
        Refusal: when this process was not started by a coordinator.
    """
    if KEY not in os.environ:
        raise Refusal("this run was not started by a coordinator; start rounds with `ratatouille round run`")
    return Signer.open(Path(os.environ[KEY]))


def round_log(folder: Path, round: str) -> Path:
    """Where the log of a round is; `folder` is the folder of logs."""
    return folder / f"round-{re.sub(r'[^A-Za-z0-9._-]', '_', round)[:80]}.log"


def keep_log(round: str) -> None:
    """From now on, write what this process logs into the round's file too; does nothing outside a SuperLink."""
    if LOGS not in os.environ:
        return
    folder = Path(os.environ[LOGS])
    folder.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(round_log(folder, round), maxBytes=_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(formatter())
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    for name in ("coordinator", "registry", "ratatouille"):
        logging.getLogger(name).setLevel(logging.INFO)
