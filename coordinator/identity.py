"""The coordinator's key: it signs the announcement in the registry and the orders of rounds.

It lies in the coordinator's folder, made at the first start and readable by its owner only. The
environment of ServerApps names the file, as it names the folder of logs.
"""

from __future__ import annotations

import os
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer

VARIABLE = "RATATOUILLE_COORDINATOR_KEY"
"""The environment variable that names the file with the key."""
_NAME = "key"


def key_file(folder: Path) -> Path:
    """The file with the key of a coordinator's folder."""
    return folder / _NAME


def signer_of_this_process() -> Signer:
    """The coordinator's key, for a ServerApp.

    Raises:
        Refusal: when this process was not started by a coordinator.
    """
    if VARIABLE not in os.environ:
        raise Refusal("this run was not started by a coordinator; start rounds with `ratatouille round run`")
    return Signer.open(Path(os.environ[VARIABLE]))
