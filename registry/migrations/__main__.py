"""Writes a new migration step: `python -m registry.migrations MESSAGE`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from registry.migrations import REVISIONS, configuration


def main(message: str) -> None:
    """Compare the schema with a database made by the steps so far."""
    with tempfile.TemporaryDirectory() as folder:
        config = configuration()
        with create_engine(f"sqlite:///{Path(folder) / 'registry.db'}").connect() as connection:
            config.attributes["connection"] = connection
            if REVISIONS:
                command.upgrade(config, "head")
            command.revision(config, message, autogenerate=True, rev_id=f"{len(REVISIONS) + 1:04d}")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
