"""The decoded images of one holding as one array, in memory or as a memory-mapped file that is made once.

The file may be deleted at any time. It is named after everything its content depends on: images and their order, size,
and the reader's version; so it never has to be updated, only made anew.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.record import canonical_json, sha256
from ratatouille.tasks.images import READER, Pixels, UnreadableError, code_of, code_of_error, decode, quiet
from ratatouille.tasks.inspection import Progress
from ratatouille.tasks.stored import write_whole


def decoded(paths: Sequence[Path], digests: Sequence[str], size: int, progress: Progress | None = None) -> Pixels:
    """Decode images into memory: uint8 [N, size, size, 3].

    Raises:
        Refusal: if an image is not, or no longer, the one that its SHA-256 in `digests` names.
    """
    pixels = np.empty((len(paths), size, size, 3), dtype=np.uint8)
    for index, image in enumerate(_each(paths, digests, size, progress)):
        pixels[index] = image
    return pixels


def stored_pixels(
    paths: Sequence[Path], digests: Sequence[str], size: int, folder: Path, progress: Progress | None = None
) -> Pixels:
    """The same as a read-only memory map of an .npy file in a folder, written if it is not there whole.

    Raises:
        Refusal: as `decoded`, or if the file cannot be written.
    """
    shape = (len(paths), size, size, 3)
    path = folder / f"{prefix_of(digests)}-{size}.npy"
    stored = _mapped(path, shape)
    if stored is None:
        write_whole(path, _npy(shape, _each(paths, digests, size, progress)), private=True)
        stored = _mapped(path, shape)
    if stored is None:
        raise Refusal(
            f"the image cache '{path}' cannot be read back; check the disk, or name another folder",
            code="cache-unreadable",
        )
    return stored


def prefix_of(digests: Sequence[str]) -> str:
    """What the names of all stored pixels of these images in this order begin with."""
    return sha256(canonical_json([list(digests), READER]))[:32]


def _each(paths: Sequence[Path], digests: Sequence[str], size: int, progress: Progress | None) -> Iterator[Pixels]:
    with quiet():
        for done, (path, digest) in enumerate(zip(paths, digests, strict=True), 1):
            try:
                data = path.read_bytes()
                if sha256(data) != digest:
                    raise Refusal(
                        f"the image '{path}' changed since the data was opened; start again to read it anew",
                        code="images-changed",
                    )
                yield decode(data, size)
            except OSError as error:
                raise Refusal(
                    f"the image '{path}' cannot be read: {error.strerror}", code=code_of_error(error)
                ) from error
            except UnreadableError as problem:
                raise Refusal(f"the image '{path}' cannot be used: {problem}", code=code_of(str(problem))) from problem
            if progress is not None:
                progress(done, len(paths))


def _npy(shape: tuple[int, ...], images: Iterator[Pixels]) -> Iterator[bytes]:
    """The bytes of an .npy file, an image at a time."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    yield header.getvalue()
    for image in images:
        yield image.tobytes()


def _mapped(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The stored array, or None if there is none of this shape."""
    try:
        array: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if array.shape != shape or array.dtype != np.uint8:
        return None
    with suppress(OSError):
        os.utime(path)  # says that it is in use still
    return array
