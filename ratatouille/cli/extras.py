"""Extras of the installation: which one brings a package that a command needs and that is not installed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ratatouille import platforms
from ratatouille.cli import streams
from ratatouille.cli.table import Command
from ratatouille.errors import Refusal

_EXTRAS = {
    "sqlalchemy": "coordinator",
    "alembic": "coordinator",
    "PIL": "node",
    "mlflow": "mlflow",
    "scipy": "node",
    "torch": "node",
    "torchvision": "node",
    "timm": "node",
}
_FLOWER = {"coordinator": "coordinator", "contributor_client": "node"}
"""Both apps need Flower: which extra brings it depends on whose command it is."""


def naming_what_is_missing(callback: Callable[..., Any], command: Command) -> Callable[..., Any]:
    """A command imports what it needs when it runs, and only then a missing package shows."""

    @functools.wraps(callback)
    def called(*arguments: Any, **named: Any) -> Any:
        try:
            return callback(*arguments, **named)
        except ModuleNotFoundError as error:
            raise missing(error, command) from error
        except BrokenPipeError as error:
            raise streams.ReaderLeft from error

    return called


def missing(error: ModuleNotFoundError, command: Command) -> Refusal:
    """The sentence about a package that is not installed; raises the error of a module of our own."""
    package = (error.name or "").partition(".")[0]
    if package in platforms.MODULES:
        return platforms.needs_posix(f"`ratatouille {' '.join(command.path)}`")
    extra = _EXTRAS.get(package, "demo")
    if package == "flwr":
        extra = _FLOWER.get(command.where.partition(".")[0], "coordinator")
    if command.path == ("demo",):
        extra = "demo"
    if package in ("ratatouille", "coordinator", "contributor_client", "registry"):
        raise error
    return Refusal(
        f"`ratatouille {' '.join(command.path)}` needs {package}, which is not installed; "
        f"pip install 'model-ratatouille[{extra}]'"
    )
