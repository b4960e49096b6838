"""Data, settings and a foundation of a tiny federation: three nodes, synthetic shapes, random weights. Nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from registry.services.registry import Registry

NODES: dict[str, dict[str, Any]] = {
    "anna": {"tasks": ("shapes-pointed", "shapes-round"), "domains": ("day", "night")},
    "chiara": {"tasks": ("shapes",), "domains": ("day", "night")},
    "elena": {"tasks": ("shapes",), "domains": ("sketch",), "trains": False},
}
"""Who holds what: one the auxiliary tasks, one the target, one the held-out domain, who only counts."""
SIZE = 32
"""Pixels of a side."""


class Ground:
    """Data, foundation and settings in one folder; nothing runs yet."""

    def __init__(self, folder: Path, steps: int = 30, architecture: str = "test_resnet") -> None:
        """`steps` are those of `round.toml`; `architecture` is timm's name of the network."""
        self.folder = folder
        self.architecture = architecture
        for task in synthetic_tasks():
            write_synthetic(task, folder / "data" / task, size=SIZE)
        self.foundation = folder / "foundation.safetensors"
        _random_weights(self.foundation, architecture)
        for name in NODES:
            self._write_node(name)
        self.round = self.write_round("round", steps)

    def write_round(self, name: str, steps: int, **more: Any) -> Path:
        """A round.toml; `more` are its other keys."""
        values: dict[str, Any] = {
            "name": name,
            "target": "shapes",
            "held_out": ["sketch"],
            "recipes": ["linear_probe", "vanilla", "greedy_soup", "ensemble", "fusing", "ratatouille"],
            "slices": ["seen", "new"],
            "protocol": self.protocol(steps),
        } | more
        path = self.folder / f"{name}.toml"
        path.write_text(tomli_w.dumps(values))
        return path

    @staticmethod
    def protocol(steps: int) -> dict[str, Any]:
        """A round's protocol, where none is given."""
        return {
            "name": "emoji",
            "image_size": SIZE,
            "runs": 3,
            "steps": steps,
            "warmup": 3,
            "batch": 4,
            "evaluate_every": 10,
            "average_from": 5,
            "auxiliary_steps": steps,
            "learning_rate": 1e-3,
            "learning_rates": [1e-3, 3e-3],
        }

    def node_file(self, name: str) -> Path:
        """A node's settings file."""
        return self.folder / f"{name}.toml"

    def enter(self, registry: Registry) -> None:
        """Define the tasks and enter the foundation."""
        from contributor_client.commands.foundation import enter_foundation
        from ratatouille.exchange.signing import Signer
        from registry.maintainer import Maintainer

        for task in synthetic_tasks().values():
            registry.definitions.define_task(task)
        signer = Signer.open(self.folder / "maintainer" / "key")
        work = self.folder / "encoded"
        work.mkdir(exist_ok=True)
        found = enter_foundation(registry, signer, work, str(self.foundation), self.architecture, SIZE)
        assert found.version is not None
        Maintainer(registry, signer).release(found.version)

    def _write_node(self, name: str) -> None:
        who = NODES[name]
        tables = [
            {"task": task, "path": f"data/{task}", "domains": list(who["domains"]), "group": "stem"}
            for task in who["tasks"]
        ]
        values = {"name": name, "trains": who.get("trains", True), "device": "cpu", "data": tables}
        self.node_file(name).write_text(tomli_w.dumps(values))


def _random_weights(path: Path, architecture: str) -> None:
    """Random weights with a fixed seed, as somebody's own file."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = timm.create_model(architecture, num_classes=0)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
