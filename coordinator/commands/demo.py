"""`ratatouille demo`: a whole federation on this machine, one round on emoji from real ImageNet weights.

A second call finds the work in the registry and shows the same table.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.commands.follow import follow
from coordinator.commands.keep import keep
from coordinator.commands.round import result, show_report
from coordinator.demonstration import HELD_OUT, NODES, ROUND, TARGET, TRAINING, joined, write_images, write_settings
from coordinator.requests import request
from coordinator.settings import read_round_settings
from ratatouille.cli.output import console, print_table, short
from ratatouille.errors import Refusal
from registry.records import LogQuery
from registry.services.registry import Registry


def demo(
    folder: Annotated[Path, typer.Option(help="Where everything is kept; the second call starts from it.")] = Path(
        "ratatouille-demo"
    ),
) -> None:
    """Run a whole federation on this machine and show what it finds.

    It needs no network and no GPU: weights and images come from installed packages. Ctrl-C stops it; the next call goes
    on where it was.
    """
    folder = folder.resolve()
    began = time.monotonic()
    data = write_images(folder)
    with joined(folder, data) as registry:
        console.print(f"{len(NODES)} nodes have joined after {time.monotonic() - began:.0f} s: {', '.join(NODES)}")
        if page := registry.info().web:
            console.print(f"watch it: {page}live")
        file = write_settings(folder / "round.toml", ROUND)
        id_ = request(read_round_settings(file), registry).id
        follow(registry, id_)
        record = registry.rounds.round(id_)
        if record.state != "done":
            raise Refusal(f"the round {record.state}: {record.reason}; logs are in {folder}")
        found = result(registry, record)
        keep(folder / "result", found, record, _examples(data))
        show_report(found)
        _show_history(registry, id_)
        console.print(
            f"\nfigure and table: {folder / 'result'}   took {time.monotonic() - began:.0f} s\n"
            f"look around: ratatouille coordinator up --folder {folder / 'coordinator'}, then "
            "`ratatouille log`, `show`, `lineage`, `verify`",
            soft_wrap=True,
        )


def _show_history(registry: Registry, round_id: str) -> None:
    kinds: dict[str, int] = {}
    for entry in registry.versions.log(LogQuery(round=round_id), limit=1000):
        kind = entry.version.rule.purpose or entry.version.rule.name
        kinds[kind] = kinds.get(kind, 0) + 1
    console.print("\nthe history has " + ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items())))
    rows = []
    for entry in registry.versions.log(limit=8):
        kind = entry.version.rule.purpose or entry.version.rule.name
        parents = " ".join(short(parent.version)[:7] for parent in entry.version.parents[:6])
        rows.append([short(entry.id), kind, entry.task_name or "", entry.contributor or "registry", parents])
    print_table(["version", "made by", "task", "contributor", "parents"], rows, "the latest versions")


def _examples(data: dict[str, Path]) -> dict[str, list[Any]]:
    """The same five objects in every style."""
    import numpy as np
    from PIL import Image

    place = data[TARGET]
    classes = sorted(path.name for path in (place / HELD_OUT).iterdir())[:: max(1, 14 // 5)][:5]
    examples: dict[str, list[Any]] = {}
    for domain in (*TRAINING, HELD_OUT):
        files = [sorted((place / domain / name).iterdir())[0] for name in classes]
        examples[domain] = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    return examples
