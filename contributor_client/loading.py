"""`ratatouille.load`: a version from a registry, or from a pulled folder, ready to be used in Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ratatouille.errors import Refusal
from ratatouille.weights.canonical import open_part
from registry.callers.ancestors import trained_size
from registry.commands.opened import folder_named, opened
from registry.exports.folders.pulled import read_pulled

if TYPE_CHECKING:
    from ratatouille.training.loaded import Loaded


def load(revision: str | Path, remote: str | None = None) -> Loaded:
    """What `ratatouille.load` gives; see there."""
    try:
        from ratatouille.training.loaded import ready
    except ModuleNotFoundError as error:
        raise Refusal(
            f"ratatouille.load needs {error.name}, which is not installed; pip install 'model-ratatouille[node]'"
        ) from error
    folder = revision if isinstance(revision, Path) else folder_named(revision)
    if folder is not None:
        pulled = read_pulled(folder)
        statement = pulled.statement
        return ready(
            statement.version, statement.architecture, statement.image_size, statement.classes, *pulled.arrays()
        )
    with opened(remote) as registry:
        details = registry.versions.show(str(revision))
        entry, version = details.entry, details.entry.version
        if entry.state != "admitted":
            raise Refusal(f"version {entry.id[:10]} is {entry.state}, so it is not loaded; name another one")
        architecture = registry.definitions.architecture(version.architecture)
        size = trained_size(registry, details) or architecture.input_size
        classes = registry.definitions.task(version.task).classes if version.task and version.head else ()
        featurizer = open_part(registry.weights.fetch(version.featurizer), architecture.featurizer)
        head = None
        if version.head is not None:
            head = open_part(registry.weights.fetch(version.head), architecture.head(len(classes)))
        return ready(version, architecture, size, classes, featurizer, head)
