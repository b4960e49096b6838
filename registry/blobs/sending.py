"""A file to push, opened where the registry wants to go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from ratatouille.errors import Refusal


def open_to_send(digest: str, files: Mapping[str, Path], offset: int) -> BinaryIO:
    """Open one of the files that were given.

    Raises:
        Refusal: when it was not given, or cannot be read.
    """
    if digest not in files:
        raise Refusal(f"the receipt names weights {digest[:12]}…, but no file with them was given")
    try:
        file = files[digest].open("rb")
    except OSError as error:
        raise Refusal(f"{files[digest]} cannot be read: {error.strerror}") from error
    file.seek(offset)
    return file
