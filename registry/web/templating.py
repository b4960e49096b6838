"""The templates, and how values become text in them.

Everything that is put out is escaped, and control characters and marks that turn the writing around are taken out,
since names and messages come from others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ratatouille.cli.output import percent, printable, when
from registry.presentation.history import duration
from registry.presentation.kinds import score_sentence

SHORT = 10
STATIC = {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


def static(name: str) -> bytes:
    """A style sheet, script or picture of ours."""
    return (files("registry.web") / "static" / name).read_bytes()


@cache
def static_address(name: str) -> str:
    """Its address, which changes with its content, so that browsers may keep it for ever."""
    return f"/static/{name}?v={hashlib.sha256(static(name)).hexdigest()[:12]}"


def clean(value: Any) -> Any:
    """The output of a template: text without characters that steer the terminal, the screen or the direction."""
    if isinstance(value, Markup):
        return value
    return printable(value) if isinstance(value, str) else value


def short(digest: str | None) -> str:
    """The beginning of an id, as people type it."""
    return digest[:SHORT] if digest else "–"


def fitted(text: str, width: float, size: float = 12.0) -> str:
    """Text cut to a width in a picture; letters of the sans-serif fonts are a little over half as wide as high."""
    most = max(1, int(width / (0.53 * size)))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def moment(seconds: float) -> str:
    """A time in UTC; clocks of others may say anything."""
    try:
        return when(seconds)
    except (OverflowError, ValueError, OSError):
        return "at an unknown time"


def version_path(id: str) -> str:
    """The address of a version's page."""
    return f"/versions/{quote(id, safe='')}"


def round_path(id: str) -> str:
    """The address of a round's page."""
    return f"/rounds/{quote(id, safe='')}"


def toggling(opened: Sequence[str], prefix: str, base: str, fragment: str) -> Callable[[str], str]:
    """Makes addresses that open a closed group, or close an open one, and leave the others as they are.

    Args:
        opened: groups that are open now.
        prefix: of the graph whose groups are toggled.
        base: the address to build on, with a query.
        fragment: where on the page to go.
    """

    def link(key: str) -> str:
        whole = prefix + key
        left = [one for one in opened if one != whole] if whole in opened else [*opened, whole]
        return base + "".join(f"&open={quote(one, safe=':.')}" for one in left) + fragment

    return link


@cache
def environment() -> Environment:
    """The templates, compiled once a process."""
    made = Environment(
        loader=PackageLoader("registry.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=clean,
    )
    made.filters |= {
        "short": short,
        "when": moment,
        "day": lambda seconds: moment(seconds)[:10],
        "minute": lambda seconds: moment(seconds)[:16],
        "percent": percent,
        "duration": duration,
        "fitted": fitted,
        "score_sentence": score_sentence,
        "version_path": version_path,
        "round_path": round_path,
    }
    made.globals |= {"static_address": static_address, "toggling": toggling}
    return made
