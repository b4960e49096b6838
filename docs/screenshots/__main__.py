"""Takes the pictures of docs/web.md: `python -m docs.screenshots FOLDER`, where FOLDER keeps the history they show.

The first call makes that history, which takes some minutes; another one only takes the pictures.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser

from docs.screenshots.chromium import chromium
from docs.screenshots.history import make
from ratatouille.folders import write_whole
from registry.opening import open_registry
from registry.web.server import WebServer

IMAGES = Path(__file__).parent.parent / "images"
SCALE = 1.5
COLOURS = 256
"""A palette makes a picture of text a third as large, and nobody sees it."""
BETWEEN = 24


@dataclass(frozen=True)
class Shot:
    """One page at one width in one scheme."""

    path: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"
    top: str = ""
    """What the picture begins with; the top of the page if empty."""


PICTURES: dict[str, Sequence[Shot]] = {
    "web-history.png": [Shot("/", 1180, 960)],
    "web-version.png": [Shot("/versions/stable", 1180, 1080, "dark")],
    "web-phone.png": [
        Shot("/", 360, 900),
        Shot("/releases", 360, 900, "dark"),
        Shot("/versions/stable", 360, 900, top="#classes"),
    ],
}


def main() -> None:
    """Make the history if it is not there, and take every picture."""
    parser = argparse.ArgumentParser(prog="python -m docs.screenshots", description="Take the pictures of docs/web.md.")
    parser.add_argument("folder", type=Path, help="keeps the history that is shown")
    registry = open_registry(make(parser.parse_args().folder.resolve()))
    server = WebServer(registry, 0)
    server.start()
    with chromium() as browser:
        for name, shots in PICTURES.items():
            taken = _beside([_taken(browser, server.address, shot) for shot in shots])
            write_whole(IMAGES / name, [_small(taken)])
            print(f"{name}: {(IMAGES / name).stat().st_size / 1000:.0f} kB")
    server.stop()
    registry.close()


def _taken(browser: Browser, address: str, shot: Shot) -> Image.Image:
    size = {"width": shot.width, "height": shot.height}
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height}, color_scheme=shot.scheme, device_scale_factor=SCALE
    )
    page = context.new_page()
    page.goto(f"{address.rstrip('/')}{shot.path}", wait_until="networkidle")
    top = page.locator(shot.top).bounding_box() if shot.top else None
    clip = {"x": 0, "y": max(0.0, top["y"] - 16) if top else 0, **size}
    taken = page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]
    context.close()
    return Image.open(io.BytesIO(taken)).convert("RGB")


def _beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """One picture of several, on white."""
    gap = round(SCALE * BETWEEN)
    width = sum(one.width for one in pictures) + gap * (len(pictures) - 1)
    whole, x = Image.new("RGB", (width, max(one.height for one in pictures)), "white"), 0
    for one in pictures:
        whole.paste(one, (x, 0))
        x += one.width + gap
    return whole


def _small(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    main()
