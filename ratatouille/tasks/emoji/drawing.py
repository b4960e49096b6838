"""One drawer for each style: a code point in, a picture with transparency out, or None where the style lacks it.

`draw` then brings every style to one frame: cropped to what is visible, centred on a white square 1.10 times its larger
side, resized. So styles differ in how they draw, not in margins.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ratatouille.errors import Refusal
from ratatouille.tasks.emoji.catalogue import INSTALL, SOURCES, package_folder

Drawer = Callable[[int], Image.Image | None]

RASTER = 144
"""Pixels at which vector drawings are rasterised: twice the usual size, reduced after cropping."""

MARGIN = 1.10


def drawers(styles: Mapping[str, Path | None]) -> dict[str, Drawer]:
    """A drawer for each style, given the folder of its unpacked npm package where there is one.

    Raises:
        Refusal: an unknown style, or a package that is missing.
    """
    return {style: _drawer(style, folder) for style, folder in styles.items()}


def framed(picture: Image.Image | None, size: int) -> Image.Image | None:
    """A picture in the common frame: RGB, [size, size]; None if nothing of it is visible."""
    box = picture.getchannel("A").getbbox() if picture is not None else None
    if picture is None or box is None:
        return None
    picture = picture.crop(box)
    side = round(MARGIN * max(picture.size))
    square = Image.new("RGBA", (side, side), "white")
    square.alpha_composite(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)


def _drawer(style: str, folder: Path | None) -> Drawer:
    match style:
        case "twemoji":
            return _files(_installed(style) / "assets" / "72x72", ".png")
        case "openmoji":
            return _vectors(_installed(style) / "openmoji" / "svg", only_lines=False)
        case "openmoji-line":
            return _vectors(_installed(style) / "openmoji" / "svg", only_lines=True)
        case "noto-mono":
            return _glyphs(_installed(style) / "NotoEmoji[wght].ttf")
        case "noto":
            return _files(_unpacked(style, folder) / "img" / "google" / "64", ".png")
        case "fluent":
            return _files(_unpacked(style, folder) / "assets", ".webp")
    raise Refusal(f"there is no emoji style '{style}'; the styles are {', '.join(SOURCES)}")


def _installed(style: str) -> Path:
    return package_folder(SOURCES[style].package, SOURCES[style].module)


def _unpacked(style: str, folder: Path | None) -> Path:
    package = SOURCES[style].package
    if folder is None:
        raise Refusal(
            f"the emoji style '{style}' needs the folder of the npm package {package}; "
            f"get it with `npm install {package}` and name its folder in node_modules"
        )
    return folder


def _files(folder: Path, suffix: str) -> Drawer:
    if not folder.is_dir():
        raise Refusal(f"there are no drawings in '{folder}'; name the folder of the package, as npm or pip unpacked it")

    def draw(point: int) -> Image.Image | None:
        for name in (f"{point:x}", f"{point:04x}", f"{point:x}-fe0f", f"{point:04x}-fe0f"):
            path = folder / (name + suffix)
            if path.is_file():
                with Image.open(path) as image:
                    return image.convert("RGBA")
        return None

    return draw


def _vectors(folder: Path, *, only_lines: bool) -> Drawer:
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        raise Refusal(f"the emoji tasks need the package 'resvg-py'; install it with {INSTALL}") from None

    def draw(point: int) -> Image.Image | None:
        path = folder / f"{point:04X}.svg"
        if not path.is_file():
            return None
        text = path.read_text(encoding="utf-8")
        png = svg_to_bytes(svg_string=_lines(text) if only_lines else text, width=RASTER, skip_system_fonts=True)
        return Image.open(io.BytesIO(png)).convert("RGBA")

    return draw


def _lines(svg: str) -> str:
    """The drawing without its colour: the group `line` and nothing else."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - a file of an installed package, not of a stranger
    for group in list(root):
        if group.get("id") != "line":
            root.remove(group)
    return ElementTree.tostring(root, encoding="unicode")


def _glyphs(path: Path) -> Drawer:
    if not path.is_file():
        raise Refusal(f"the font '{path}' is not there; reinstall it with {INSTALL}")
    font = ImageFont.truetype(str(path), RASTER)

    def rendered(text: str) -> Image.Image:
        ink = Image.new("L", (2 * RASTER, 2 * RASTER), 0)
        ImageDraw.Draw(ink).text((RASTER // 4, RASTER // 4), text, fill=255, font=font)
        picture = Image.new("RGBA", ink.size, "black")
        picture.putalpha(ink)
        return picture

    # A font draws the same box for everything it lacks; the last code point is never assigned.
    lacking = rendered(chr(0x10FFFF)).tobytes()

    def draw(point: int) -> Image.Image | None:
        picture = rendered(chr(point))
        return None if picture.tobytes() == lacking else picture

    return draw
