"""A process that imports a bundle: the registry's folder, then the file. It prints a line for each of the weights.

Run by the tests as a script, to be killed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from registry.exports.bundles.entering import enter
from registry.services.local import LocalRegistry


def main(registry: str, bundle: str) -> None:
    """Import once."""
    local = LocalRegistry(Path(registry))
    enter(local.storage, Path(bundle), progress=lambda done, total: print(done, total, flush=True))
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
