"""Writes every generated page: `python -m docs`."""

from __future__ import annotations

from docs import calls, cli, files, schema, tree


def main() -> None:
    """The tree last: it lists the other pages."""
    cli.main()
    files.main()
    calls.main()
    schema.main()
    tree.main()


if __name__ == "__main__":
    main()
