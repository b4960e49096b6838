"""Writes the table of what leaves a node into docs/privacy.md, from `ratatouille.exchange.leaving`.

`python -m docs.privacy` writes; a test compares.
"""

from __future__ import annotations

from pathlib import Path

from docs.blocks import replaced
from ratatouille.exchange.leaving import BESIDE, MEANINGS, name_of

PAGE = Path(__file__).parent / "privacy.md"


def table() -> str:
    """A row for each field of each record, and for what leaves beside records."""
    rows = [(name_of(kind), field, means) for kind, fields in MEANINGS.items() for field, means in fields.items()]
    rows += [(what, "", means) for what, means, _ in BESIDE]
    lines = [f"| {record} | {f'`{field}`' if field else ''} | {means} |" for record, field, means in rows]
    return "\n".join(["| record | value | what it says |", "|---|---|---|", *lines])


def page() -> str:
    """docs/privacy.md as it should be."""
    return replaced(PAGE, "leaving", table())


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
