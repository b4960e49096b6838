"""A folder with a checkpoint, as timm saves one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from ratatouille.weights.canonical import Array


def saved(
    folder: Path, body: dict[str, Array], top: dict[str, Array] | None = None, config: dict[str, Any] | None = None
) -> Path:
    """Write it to `saved` in a folder."""
    place = folder / "saved"
    place.mkdir(exist_ok=True)
    classifier = {} if top is None else {f"fc.{name}": array for name, array in top.items()}
    save_file(body | classifier, place / "model.safetensors", metadata={"format": "pt"})
    if config is not None:
        (place / "config.json").write_text(json.dumps(config))
    return place
