"""Paths of this installation's console scripts.

Flower finds its own children by name, so the folder of our interpreter's scripts must come first on PATH, also when the
virtual environment was never activated.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.proxies import without_loopback


def script(name: str) -> str:
    """Path of a console script of this installation.

    Raises:
        Refusal: when the package that brings it is not installed here.
    """
    path = _folder() / name
    if not path.exists():
        raise Refusal(
            f"{name} is not installed beside {sys.executable}; "
            "install model-ratatouille[coordinator] or model-ratatouille[node]"
        )
    return str(path)


def module(name: str) -> list[str]:
    """The beginning of a command that runs one of our modules with this interpreter.

    -P: nothing in the folder where the command happens to be called, such as a folder named `registry`, may stand in
    for what is installed.
    """
    return [sys.executable, "-P", "-m", name]


def environment_with_scripts(**more: str) -> dict[str, str]:
    """Our environment with the scripts' folder first on PATH, no proxy for loopback, and `more` on top."""
    path = os.pathsep.join([str(_folder()), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **without_loopback(os.environ), "PATH": path, **more}


def _folder() -> Path:
    # Not resolved: in a virtual environment the interpreter is a link, and the scripts lie beside the link.
    return Path(sys.executable).parent
