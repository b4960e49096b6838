"""A process that backs a registry up: its folder, then the backup's. It prints a line at the start and for each blob.

Run by the tests as a script, to be killed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from registry.exports.backup.save import save
from registry.services.local import LocalRegistry


def main(registry: str, backup: str) -> None:
    """Back up once."""
    local = LocalRegistry(Path(registry))
    print("begins", flush=True)
    save(local.storage, Path(backup), progress=lambda done, total: print(done, total, flush=True))
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
