"""Writes every generated page: `python -m docs`."""

from __future__ import annotations

from docs import calls, cli, files, outputs, privacy, recipes, rooms, schema


def main() -> None:
    """Write all of them."""
    cli.main()
    files.main()
    calls.main()
    outputs.main()
    schema.main()
    rooms.main()
    recipes.main()
    privacy.main()


if __name__ == "__main__":
    main()
