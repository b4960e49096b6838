"""A process that pushes: URL, then pairs of a sealed receipt's file and the folder with its weights' files.

Run by the tests as a script; it prints one result as JSON for each push.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ratatouille.errors import Unreachable
from ratatouille.exchange.signing import Sealed
from registry.opening import open_registry


def main(url: str, cache: str, files: str, *sealed: str) -> None:
    """Push each receipt until it is acknowledged."""
    registry = open_registry(url, cache=Path(cache))
    paths = {path.stem: path for path in Path(files).glob("*.safetensors")}
    for name in sealed:
        receipt = Sealed.from_json(Path(name).read_bytes())
        while True:
            try:
                print(registry.weights.push(receipt, paths).to_json().decode(), flush=True)
                break
            except Unreachable as error:
                print(error, file=sys.stderr, flush=True)
                time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
