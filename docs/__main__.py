"""Writes every generated page: `python -m docs`."""

from __future__ import annotations

from docs import calls, cli, files, outputs, schema, tree


def main() -> None:
    """The tree last: it lists the other pages."""
    cli.main()
    files.main()
    calls.main()
    outputs.main()
    schema.main()
    tree.main()


if __name__ == "__main__":
    main()
