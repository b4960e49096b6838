"""A peer for questions: a page of versions from MLflow's registry and from ours, both in process on SQLite.

MLflow is the extra `[bench]`. Without it the row says so, and nothing else changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from registry.services.local import LocalRegistry

_NAME = "shared-model"


def compared(folder: Path, registry: LocalRegistry, versions: int, repeats: int) -> dict[str, Any]:
    """Milliseconds for a page of so many versions, ours and MLflow's in turns, and how many times ours MLflow's is.

    Args:
        folder: an empty folder for MLflow's database.
        registry: a registry that has at least so many versions.
        versions: how many a page has; both registries read all of them.
        repeats: how often each page is asked for.
    """
    if find_spec("mlflow") is None:
        return {"peer": "MLflow is not installed; pip install 'model-ratatouille[bench]'"}
    ask = _filled(folder, versions)
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(repeats + 1):
        for took, call in ((ours, lambda: registry.versions.log(limit=versions)), (theirs, ask)):
            begun = time.perf_counter()
            found = len(call())
            if turn:
                took.append(1000 * (time.perf_counter() - begun))
            assert found == versions
    return {
        "peer": f"MLflow {version('mlflow-skinny')}",
        "versions": versions,
        "milliseconds": round(median(ours), 2),
        "peer_milliseconds": round(median(theirs), 2),
        "ratio": round(median(theirs) / median(ours), 1),
    }


def _filled(folder: Path, versions: int) -> Callable[[], Sequence[Any]]:
    """MLflow's registry with one model of so many versions, and the question for a page of all of them."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow import MlflowClient

    address = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=address, registry_uri=address)
    client.create_registered_model(_NAME)
    for _ in range(versions):
        client.create_model_version(_NAME, source=str(folder))
    return lambda: client.search_model_versions(f"name='{_NAME}'", max_results=versions)
