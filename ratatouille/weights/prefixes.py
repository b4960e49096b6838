"""Prefixes that training code puts before every name of a network, such as `module.` of DataParallel.

A prefix that is known is taken off. Another one is named, since it may say that the file holds something else (`ema.`,
`teacher.`). A file that holds the network more than once is refused: nobody can tell which copy is meant.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.container import Container

KNOWN = ("module.", "_orig_mod.", "model.", "net.", "state_dict.", "timm_model.")
"""DataParallel, torch.compile, training loops, saved dictionaries, and transformers' wrapper of timm."""


def take_off(container: Container, architecture: Architecture) -> tuple[Container, str]:
    """The tensors under the network's own names, and the prefix that was taken off; "" where there was none.

    Raises:
        Refusal: for an unknown prefix, or a file that holds the network more than once.
    """
    prefix = find_prefix(container.kinds.keys(), [tensor.name for tensor in architecture.featurizer], container.what)
    return (container.without(prefix), prefix) if prefix else (container, "")


def find_prefix(names: Collection[str], wanted: Sequence[str], what: str) -> str:
    """The known prefix, or combination of known ones, under which `names` has the `wanted` ones; "" for none.

    Args:
        names: those in a file.
        wanted: those of the network; some may be missing.
        what: the file, for messages.

    Raises:
        Refusal: for an unknown prefix, or several.
    """
    found = _prefixes(set(names), wanted)
    if not found or "" in found:
        return ""
    if len(found) > 1:
        raise Refusal(
            f"{what} holds the network more than once, under {' and '.join(map(repr, found[:3]))}; keep one of them"
        )
    if not is_known(found[0]):
        raise Refusal(
            f"the names in {what} begin with {found[0][:80]!r}, which is not a prefix that is known "
            f"({', '.join(KNOWN)}); if the tensors are those of the network, take it off the names and save them again"
        )
    return found[0]


def is_known(prefix: str) -> bool:
    """Whether a prefix is a known one, or several of them one after another."""
    while prefix:
        part = next((one for one in KNOWN if prefix.startswith(one)), None)
        if part is None:
            return False
        prefix = prefix.removeprefix(part)
    return True


def _prefixes(names: set[str], wanted: Sequence[str]) -> list[str]:
    """The prefixes with most of the wanted names behind them, if that is at least half of these."""
    counts: dict[str, int] = {}
    for first in {*wanted[:1], *wanted[-1:]}:  # one of them may be what is missing
        for name in names:
            if name == first or name.endswith(f".{first}"):
                prefix = name[: len(name) - len(first)]
                counts[prefix] = sum(f"{prefix}{one}" in names for one in wanted)
    most = max(counts.values(), default=0)
    return sorted(prefix for prefix, count in counts.items() if count == most and 2 * count >= len(wanted))
