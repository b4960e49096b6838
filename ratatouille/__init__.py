"""The method, Model Ratatouille: many fine-tunings of one foundation model become one better model.

This package is the method: weights and data in, better weights out. It knows no network and no database. From the
bottom: `weights` and `tasks`, then `exchange` (the records that travel), `recipes` (what a round does, as a pure plan),
`training` (torch) and `analysis`. The services live in their own packages: `registry` remembers versions, `coordinator`
runs rounds, `contributor_client` works on contributors' machines.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ratatouille.training.loaded import Loaded

__version__ = "0.1.0"


def load(revision: str | Path, remote: str | None = None) -> Loaded:
    """A version ready to be used: `.model` (timm's network in eval mode), `.transform`, `.classes`, `.predict(images)`.

    Args:
        revision: as on the command line, such as "stable"; or a folder that `ratatouille pull` wrote, as a `Path` or
            with a slash in it.
        remote: as `--remote` on the command line.

    Raises:
        ratatouille.errors.Refusal: for an unknown version, weights that cannot be used, or missing packages.
    """
    # Named as text, as the table of commands names them: the method knows no registry.
    loaded: Loaded = import_module("contributor_client.pulling").load(revision, remote)
    return loaded
