"""The search behind the protocol `emoji`: strength of the probe, then learning rates, by validation images only.

`python -m benchmarks.emoji_protocol [--json] [--steps N …] [--runs N] [--workers N] [--folder DIR]`

Every learning rate is judged by a soup of a few runs, rehearsed without Flower on the demo's target. The held-out style
is not given to any node here, so that no choice can lean on it. What was chosen, and why, is in docs/emoji-protocol.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from contributor_client.commands.foundation import enter_foundation
from coordinator.commands.demo import FOUNDATION, HELD_OUT, TARGET, TRAINING
from coordinator.driver import RoundDriver
from coordinator.rehearsal import RehearsalSite, rehearse
from coordinator.settings import RoundSettings
from ratatouille.exchange.signing import Signer
from ratatouille.recipes.outcome import score
from ratatouille.tasks.emoji import emoji_tasks, write_emoji
from ratatouille.tasks.node import NodeData, NodeSettings
from registry.maintainer import Maintainer
from registry.opening import open_registry

LEARNING_RATES: dict[str, tuple[float, tuple[float, ...]]] = {
    "gentle": (5e-5, (3e-5, 5e-5, 1e-4)),
    "middle": (2e-4, (1e-4, 2e-4, 3e-4)),
    "high": (5e-4, (3e-4, 5e-4, 1e-3)),
}
"""Candidates: the rate of run 0, and the rates that the others draw from."""

STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0)
"""Candidates of `probe_l2`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the search and print a row for each candidate as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--steps", type=int, nargs="+", default=[160])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    chosen = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        site = _stage((chosen.folder or Path(temporary)).resolve())
        heads = {strength: _head(site, strength) for strength in STRENGTHS}
        for steps in chosen.steps:
            for name in LEARNING_RATES:
                rows.append(_candidate(site, name, steps, chosen.runs, chosen.workers))
                if not chosen.json:
                    Console().print(rows[-1])
    if chosen.json:
        print(json.dumps({"heads": heads, "rows": rows}))
        return 0
    strengths = Table("probe_l2", "head", title="validation accuracy in %", box=None)
    for strength, value in heads.items():
        strengths.add_row(f"{strength:g}", f"{100 * value:.1f}")
    Console().print(strengths)
    columns = ("learning rates", "steps", "mean run", "soup", "runs")
    table = Table(*columns, title="validation accuracy in %", box=None)
    for row in rows:
        shares = [f"{100 * row[key]:.1f}" for key in ("mean_run", "soup")]
        table.add_row(row["name"], str(row["steps"]), *shares, ", ".join(f"{100 * one:.1f}" for one in row["runs"]))
    Console(width=120).print(table)
    return 0


def _stage(folder: Path) -> RehearsalSite:
    """A registry with the target, the foundation, and one node that holds the training styles."""
    images = write_emoji(TARGET, folder / "data" / TARGET)
    registry = open_registry(folder / "registry")
    registry.definitions.define_task(emoji_tasks()[TARGET])
    with tempfile.TemporaryDirectory() as encoded:
        signer = Signer.open(folder / "key")
        found = enter_foundation(registry, signer, Path(encoded), FOUNDATION, None, 64)
    assert found.version is not None
    Maintainer(registry, signer).release(found.version, "foundation")
    data = NodeData(task=TARGET, path=images, domains={style: style for style in TRAINING}, group="stem")
    return RehearsalSite(str(folder / "registry"), (NodeSettings(name="search", data=(data,)),), folder / "stage")


def _head(site: RehearsalSite, strength: float) -> float:
    """Validation accuracy of the probed head."""
    settings = _settings(f"head-{strength:g}", ("linear_probe",), {"probe_l2": strength})
    round = rehearse(settings, site)
    final = RoundDriver(round, open_registry(site.url), 0.0).gather().outcomes[0].final
    assert final is not None
    return score(final.validation or (), round.metric)


def _candidate(site: RehearsalSite, name: str, steps: int, runs: int, workers: int) -> dict[str, Any]:
    first, others = LEARNING_RATES[name]
    changes = {"runs": runs, "steps": steps, "learning_rate": first, "learning_rates": list(others)}
    settings = _settings(f"{name}-{steps}", ("soup",), changes)
    round = rehearse(settings, site, workers)
    registry = open_registry(site.url)
    soup = RoundDriver(round, registry, 0.0).gather().outcomes[0]
    assert soup.final is not None
    single = [score(run.validation or (), round.metric) for run in soup.members]
    return {
        "name": name,
        "learning_rates": others,
        "steps": steps,
        "mean_run": mean(single),
        "soup": score(soup.final.validation or (), round.metric),
        "runs": single,
    }


def _settings(name: str, recipes: tuple[str, ...], changes: dict[str, Any]) -> RoundSettings:
    """The held-out style is a domain of the task that nobody here holds: it is neither trained on nor counted."""
    return RoundSettings(
        name=name,
        target=TARGET,
        held_out=(HELD_OUT,),
        evaluate_held_out=False,
        recipes=recipes,
        foundation="foundation",
        protocol={"name": "emoji", **changes},
        admission="off",
        counting="own",
    )


if __name__ == "__main__":
    sys.exit(main())
