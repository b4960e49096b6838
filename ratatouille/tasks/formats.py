"""Formats of image files: those that are read everywhere, and those that need a reader which may not be installed."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec

from ratatouille.wording import number_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm")
"""File names of formats that are read everywhere, in lower case."""
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
_HEIF = "pillow-heif"
_AVIF = "a Pillow that reads AVIF"
_NEEDED = {".avif": _AVIF, ".heic": _HEIF, ".heif": _HEIF}


@cache
def readable() -> tuple[str, ...]:
    """Suffixes of the images that are read here."""
    return (*SUFFIXES, *(suffix for suffix, reader in _NEEDED.items() if _installed(reader)))


@cache
def pillow_formats() -> tuple[str, ...]:
    """Names of these formats as Pillow knows them, with the readers of other packages registered."""
    formats = (*_FORMATS, *(("AVIF",) if _installed(_AVIF) else ()))
    if not _installed(_HEIF):
        return formats
    import pillow_heif

    pillow_heif.register_heif_opener()
    return (*formats, "HEIF")


def reader_versions() -> str:
    """What the pixels of an image depend on besides its bytes."""
    from PIL import __version__

    return f"pillow {__version__}" + (f", pillow-heif {version('pillow-heif')}" if _installed(_HEIF) else "")


def unread(suffixes: Counter[str]) -> str:
    """A clause about images whose reader is not installed here; empty when there are none.

    Args:
        suffixes: how many files have each suffix.
    """
    missing = {suffix: count for suffix, count in suffixes.items() if suffix in _NEEDED and suffix not in readable()}
    if not missing:
        return ""
    count, readers = sum(missing.values()), " and ".join(sorted({_NEEDED[suffix] for suffix in missing}))
    return f"{number_of(count, 'image')} ({', '.join(sorted(missing))}) cannot be read here; install {readers}"


def _installed(reader: str) -> bool:
    if reader == _HEIF:
        return find_spec("pillow_heif") is not None
    from PIL import features

    return bool(features.check("avif"))
