"""Writes every generated page: `python -m docs`."""

from __future__ import annotations

from docs import cli, files, tree


def main() -> None:
    """Commands and settings files first: the tree lists their pages."""
    cli.main()
    files.main()
    tree.main()


if __name__ == "__main__":
    main()
