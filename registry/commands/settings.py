"""`ratatouille registry settings`: what a registry allows, shown to all and changed in its folder."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Home
from ratatouille.errors import Refusal
from ratatouille.home import home
from registry.storage_config import is_registry


def settings(
    name: Annotated[str | None, typer.Argument(help="The setting to change.", metavar="[NAME]")] = None,
    value: Annotated[str | None, typer.Argument(help="What it becomes.", metavar="[VALUE]")] = None,
    default: Annotated[bool, typer.Option("--default", help="Return the setting to its default.")] = False,
    folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what a registry allows, or change it; a running service follows at once.

    Only a user who has the registry's folder can change a value: it cannot be done over the network.
    """
    from registry.services.local import LocalRegistry
    from registry.settings import ANNOUNCED, Settings

    if (name is None and default) or (name is not None and (value is None) != default):
        raise Refusal("to change a setting, give its name and either its new value or --default")
    place = folder or home() / "coordinator" / "registry"
    if not is_registry(place):
        raise Refusal(f"there is no registry in '{place}'; name its folder with --folder")
    with closing(LocalRegistry(Path(place))) as registry:
        if name is not None:
            if name in ANNOUNCED:
                raise Refusal("the fleet's address and the coordinator's key are set by the coordinator while it is up")
            registry.maintenance.configure(name, None if value is None else _number(value))
        now = output.plain(registry.maintenance.settings())
    if as_json:
        output.print_json(now)
        return
    rows = [
        (key, str(now[key]), "" if now[key] == field.default else f"not {field.default}", field.description or "")
        for key, field in Settings.model_fields.items()
        if key not in ANNOUNCED and name in (None, key)
    ]
    output.print_table(("setting", "value", "default", ""), rows)


def _number(text: str) -> int | float:
    try:
        number = json.loads(text)
    except (ValueError, RecursionError):
        number = None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise Refusal(f"{text[:40]!r} is no number; sizes are in bytes, times in seconds")
    return number
