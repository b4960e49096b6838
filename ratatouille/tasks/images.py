"""Image files as pixels: one file, or all decoded images of a holding as one array.

Untrusted bytes come in, RGB pixels go out. Only the formats of photographs and drawings are tried, never those that run
an interpreter; giant images are refused before they are unpacked. What to do with an image that cannot be read is left
to inspection.py and data.py.

The array lies in memory, or in a memory-mapped file that is made once. The file may be deleted at any time. It is named
after everything its content depends on: images and their order, size, and the reader's version; so it never has to be
updated, only made anew.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.record import canonical_json, sha256
from ratatouille.tasks.formats import pillow_formats, reader_versions

READER = f"{reader_versions()}, reading 1"
"""What pixels depend on besides the bytes; caches are keyed by it."""

Pixels = NDArray[np.uint8]

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""


class UnreadableError(ValueError):
    """Bytes that are no usable image; the message says why, in a clause."""


_CODES = {
    "it has ": "image-too-large",
    "it is too large": "image-too-large",
    "it is no image": "image-unknown-format",
    "its pixels": "image-depth",
    "it is damaged": "image-damaged",
}
"""The code (`ratatouille.failure`) of each clause that an `UnreadableError` may say, by its beginning."""


def code_of(problem: str) -> str:
    """The code of what an `UnreadableError` says; what a decoder says in it stays here."""
    return next((code for beginning, code in _CODES.items() if problem.startswith(beginning)), "image-damaged")


def code_of_error(error: OSError) -> str:
    """The code of a file that cannot be opened."""
    return "image-missing" if isinstance(error, FileNotFoundError | NotADirectoryError) else "image-unreadable"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings about odd metadata; sizes are checked here instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check(data: bytes) -> None:
    """Decode an image to its last byte and forget the pixels.

    Raises:
        UnreadableError: truncated or damaged bytes, another format, too many pixels.
    """
    _opened(data, shrink=True)


def decode(data: bytes, size: int) -> Pixels:
    """Decode an image to uint8 [size, size, 3].

    Turned as its EXIF orientation says, transparency on white, squashed to a square with antialiased bicubic
    interpolation.

    Raises:
        UnreadableError: as `check`.
    """
    return _squashed(_opened(data, shrink=False), size)


def from_image(image: Image.Image, size: int) -> Pixels:
    """The same pixels from an image that the caller opened.

    Raises:
        UnreadableError: damaged bytes, pixels of 32 bits.
    """
    try:
        turned = ImageOps.exif_transpose(image)
    except Exception as error:  # the bytes are read at the first use
        raise UnreadableError(f"it is damaged ({error})") from error
    return _squashed(_of_8_bits(turned), size)


def _squashed(image: Image.Image, size: int) -> Pixels:
    return np.asarray(_rgb(image).resize((size, size), Image.Resampling.BICUBIC), dtype=np.uint8)


def _opened(data: bytes, *, shrink: bool) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=pillow_formats())
        pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
        if most is not None and pixels > most:
            raise UnreadableError(f"it has {pixels} pixels, more than the {most} that are safe to unpack")
        if shrink:
            image.draft(None, (1, 1))  # JPEG: all bytes are still parsed, but few pixels computed
        image.load()
        turned = ImageOps.exif_transpose(image)
    except UnreadableError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"it is too large to unpack safely ({error})") from error
    except UnidentifiedImageError as error:
        raise UnreadableError("it is no image that can be read, whatever its name says") from error
    except Exception as error:  # damaged bytes surface in decoders as many kinds of errors
        raise UnreadableError(f"it is damaged ({error})") from error
    return _of_8_bits(turned)


def _of_8_bits(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise UnreadableError("its pixels have 32 bits; save it with 8 bits a channel")
    return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips 16 bits at 255; keep the high byte instead.
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


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
