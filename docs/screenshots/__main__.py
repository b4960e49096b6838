"""Takes the pictures of the docs: `python -m docs.screenshots FOLDER`, where FOLDER keeps the history they show.

They are of the web page, and of commands in a terminal of 80 columns. The first call makes that history, which takes
some minutes; another one only takes the pictures.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser
from rich.console import Console
from rich.text import Text

from docs.screenshots.chromium import chromium
from docs.screenshots.history import make
from ratatouille.folders import write_whole
from ratatouille.processes import module
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


TERMINALS: dict[str, Sequence[str]] = {
    "terminal-log.png": ["log", "--graph", "--limit", "14"],
    "terminal-show.png": ["show", "stable"],
}
"""Commands whose output is shown."""
COLUMNS = 80


def main() -> None:
    """Make the history if it is not there, and take every picture."""
    parser = argparse.ArgumentParser(prog="python -m docs.screenshots", description="Take the pictures of the docs.")
    parser.add_argument("folder", type=Path, help="keeps the history that is shown")
    place = make(parser.parse_args().folder.resolve())
    registry = open_registry(place)
    server = WebServer(registry, 0)
    server.start()
    with chromium() as browser:
        for name, shots in PICTURES.items():
            taken = _beside([_taken(browser, server.address, shot) for shot in shots])
            _write(name, taken)
        for name, words in TERMINALS.items():
            _write(name, _terminal(browser, words, place))
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


def _terminal(browser: Browser, words: Sequence[str], registry: Path) -> Image.Image:
    """What a command prints, in its colours."""
    command = [*module("ratatouille.cli.main"), *words]
    with tempfile.TemporaryDirectory() as home:
        own = {"RATATOUILLE_HOME": home, "RATATOUILLE_REMOTE": str(registry)}
        environment = os.environ | own | {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(ended.stdout))
    page = browser.new_page(device_scale_factor=SCALE)
    page.set_content(f"<body style='margin:0'>{console.export_svg(title=' '.join(['ratatouille', *words]))}")
    taken = page.locator("svg").first.screenshot()
    page.close()
    return Image.open(io.BytesIO(taken)).convert("RGB")


def _write(name: str, picture: Image.Image) -> None:
    write_whole(IMAGES / name, [_small(picture)])
    print(f"{name}: {(IMAGES / name).stat().st_size / 1000:.0f} kB")


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
