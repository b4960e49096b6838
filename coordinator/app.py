"""The ServerApp: what Flower starts for each run of our bundle.

It reads which round it is, and where the registry is, from the run's settings, and hands over to `coordinator.rounds`.
Every exception is raised: leaving by `sys.exit` would look like a silent node to Flower for a minute.
"""

from __future__ import annotations

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from ratatouille.errors import Refusal

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the round that the run's settings name, to its end."""
    # Imported here, so that loading the app stays quick and shows its failures in the run's log.
    from coordinator.rounds import run_round

    round, registry = (str(context.run_config.get(key, "")) for key in ("round", "registry"))
    if not round or not registry:
        raise Refusal("this run names no round or no registry; start rounds with `ratatouille round run`")
    run_round(grid, round, registry)
