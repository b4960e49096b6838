"""Outputs of a checkpoint matched to classes, by the names in its configuration.

timm writes `label_names` (older versions `labels`), transformers `id2label` and `label2id`. All that are there must
agree: a head whose outputs are in another order than somebody thinks is wrong for every image, and nothing shows it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from ratatouille.errors import Refusal

BY_OUTPUT = ("label_names", "labels", "id2label")
"""A list of names, or an object from the number of an output to its name."""
BY_NAME = "label2id"
"""An object from a name to the number of its output."""


def output_names(configuration: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of the outputs in their order; None where the configuration has none.

    Raises:
        Refusal: for names that cannot be read, or two lists that do not agree.
    """
    found: dict[str, tuple[str, ...]] = {}
    for key in (*BY_OUTPUT, BY_NAME):
        stated = configuration.get(key)
        if stated is None or stated == [] or stated == {}:
            continue
        names = _by_name(stated) if key == BY_NAME else _by_output(stated)
        if names is None:
            raise Refusal(
                f"{key} in config.json cannot be read; write a list of the names of the outputs in their order"
            )
        if len({unicodedata.normalize("NFC", name) for name in names}) < len(names):
            raise Refusal(f"{key} in config.json has a name twice; write {len(names)} different names")
        found[key] = names
    if len(set(found.values())) > 1:
        raise Refusal(
            f"{' and '.join(found)} in config.json do not name the outputs in the same order; keep the right one"
        )
    return next(iter(found.values()), None)


def order_of(names: Sequence[str], classes: Sequence[str], task: str) -> list[int]:
    """Which output is each of the task's classes. Names are compared in the form NFC.

    Raises:
        Refusal: when the names are other ones than the task's, or another number of them.
    """
    ours = [unicodedata.normalize("NFC", name) for name in classes]
    theirs = [unicodedata.normalize("NFC", name) for name in names]
    strange = [name for name in theirs if name not in ours]
    missing = [name for name in ours if name not in theirs]
    if strange or missing:
        raise Refusal(
            f"the checkpoint's classes are not those of task {task}: it has '{(strange or theirs)[0][:80]}'"
            f"{f' and no {missing[0]!r}' if missing else ''}; rename its label_names in config.json, or train for the "
            "task's classes"
        )
    return [theirs.index(name) for name in ours]


def _by_output(stated: object) -> tuple[str, ...] | None:
    if isinstance(stated, dict):
        stated = [stated.get(str(number)) for number in range(len(stated))]
    if not isinstance(stated, list) or not all(isinstance(name, str) for name in stated):
        return None
    return tuple(stated)


def _by_name(stated: object) -> tuple[str, ...] | None:
    if not isinstance(stated, dict):
        return None
    numbers = {str(number): name for name, number in stated.items() if not isinstance(number, bool)}
    return _by_output(numbers) if len(numbers) == len(stated) else None
