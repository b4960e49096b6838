"""The figures of analyses: matplotlib without a screen, in PNG and SVG, the same bytes for the same numbers.

Colours are Okabe and Ito's, which people with any colour vision tell apart; each goes with a marker of its own.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

COLOURS = ("#0072b2", "#c8553d", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#2d3142")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#6b6b6b"
_RESOLUTION = 150


def figure(width: float, height: float) -> Any:
    """An empty figure, in inches."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def files(drawn: Any) -> dict[str, bytes]:
    """A figure as `figure.png` and `figure.svg`, without dates, versions or random names in them."""
    import matplotlib

    written = {}
    plain: dict[str, dict[str, str | None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    with matplotlib.rc_context({"svg.hashsalt": "ratatouille", "svg.fonttype": "path"}):
        for kind, metadata in plain.items():
            out = io.BytesIO()
            drawn.savefig(out, format=kind, dpi=_RESOLUTION, metadata=metadata)
            written[f"figure.{kind}"] = out.getvalue()
    return written


def style(number: int) -> dict[str, Any]:
    """Colour and marker of the number-th thing that is drawn; after seven they begin again."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def label(axis: Any, title: str, x: str, y: str) -> None:
    """Title and axes, and a quiet grid."""
    axis.set_title(title, fontsize="medium")
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.3)


def legend(axis: Any) -> None:
    """A small legend, if anything is named."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="x-small", frameon=False)


def nothing(axis: Any, why: str) -> None:
    """A panel that says why it is empty."""
    axis.set(xticks=[], yticks=[])
    axis.text(0.5, 0.5, why, ha="center", va="center", color=GREY, wrap=True, transform=axis.transAxes)


def empty(why: str) -> Any:
    """A figure that says why it is empty."""
    found = figure(5, 3)
    nothing(found.subplots(), why)
    return found


Drawing = Callable[[Any], Any]
"""From what an analysis found to a figure."""
