"""Trying a checkpoint's own network beside the federation's before it is pushed, where torch and timm are installed.

`ratatouille push` needs neither, so it names this module as text (docs/architecture.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.exports.folders.importing import Parts

NEEDED = ("torch", "timm", "torchvision", "PIL")


def notes_of_agreement(parts: Parts) -> list[str]:
    """Notes on the comparison for the person who pushes: none where both networks agree.

    Raises:
        Refusal: when they do not, or timm cannot build the checkpoint's.
    """
    try:
        from ratatouille.training import numerics
        from ratatouille.training.agreement import is_known, refuse_disagreement
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in NEEDED:
            raise
        return [f"the checkpoint's network was not run beside ours, since {package} is not installed"]
    name = parts.whole.architecture.name
    if not is_known(name):
        return [f"the checkpoint's network was not run beside ours, since this timm does not know {name}"]
    numerics.apply()
    refuse_disagreement(parts.whole, parts.said, parts.size)
    return []
