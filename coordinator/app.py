"""The ServerApp: what Flower starts for each run of our bundle.

It reads which round it is, and where the registry is, from the run's settings, and hands over to `coordinator.rounds`.
Every exception is raised: leaving by `sys.exit` would look like a silent node to Flower for a minute.
"""

from __future__ import annotations

import logging

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from coordinator.environment import keep_log
from ratatouille.errors import Refusal

_log = logging.getLogger(__name__)
app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the round that the run's settings name, to its end."""
    round, registry = (str(context.run_config.get(key, "")) for key in ("round", "registry"))
    if not round or not registry:
        raise Refusal("this run names no round or no registry; start rounds with `ratatouille round run`")
    keep_log(round)
    try:
        # Imported here, so that a failure to import is in the log too.
        from coordinator.environment import signer_of_this_process
        from coordinator.rounds import run_round

        run_round(grid, round, registry, signer_of_this_process())
    except Exception:
        _log.exception("round %s ended by an error", round)
        raise
