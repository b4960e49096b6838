"""Compatibility of a checkpoint: does it, as its config.json says, compute what the federation's network computes?

Names and shapes do not identify a function: another activation, another stride, or images made in another way give the
same tensors another meaning, and an average of two functions is none. What the configuration says is compared with the
architecture, key by key. Needs no torch; `ratatouille.training.agreement` tries both networks where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.configuration import CONFIG, Configuration

CLOSE = 2e-3
"""Normalisations that differ by less are the same ones, rounded otherwise."""
INTERPOLATION, CROP_MODE, CROP_SHARE = "bicubic", "squash", 1.0
"""How every node makes images (`ratatouille.tasks.images`)."""
TRAINING_ONLY = frozenset(
    [
        "attn_drop_rate",
        "bn_momentum",
        "drop_block_rate",
        "drop_path_rate",
        "drop_rate",
        "head_init_bias",
        "head_init_scale",
        "patch_drop_rate",
        "pos_drop_rate",
        "proj_drop_rate",
        "weight_init",
        "zero_init_last",
    ]
)
"""Arguments of networks that change trainings and first weights only, not what a trained network computes."""


def refuse_another_network(said: Configuration, architecture: Architecture) -> None:
    """Refuse a checkpoint of another network by its name, before its tensors are looked at."""
    if said.architecture not in (None, architecture.name.partition(".")[0]):
        raise Refusal(
            f"{CONFIG} says that the checkpoint is of {said.architecture:.80}, and --from is of {architecture.name}; "
            "name the version that it was trained from"
        )


def refuse_another_function(said: Configuration, architecture: Architecture, size: int, classes: int) -> None:
    """Refuse a checkpoint whose configuration describes another function than the architecture.

    Args:
        said: what its config.json says.
        architecture: the federation's.
        size: pixels of a side of the images that it is used with.
        classes: the outputs of its classifier; 0 for a featurizer alone.

    Raises:
        Refusal: naming every key that differs.
    """
    found = list(differences(said, architecture, size, classes))
    if found:
        raise Refusal(
            f"{CONFIG} describes another function than version --from: {'; '.join(found)[:1500]}; train it as the "
            "federation does, or correct the file where it is wrong"
        )


def refuse_other_foundation(said: Configuration, architecture: Architecture) -> None:
    """Refuse a foundation whose configuration describes another network than the one that it is entered as.

    How its images were cut and how large they were may differ: it was pre-trained elsewhere, and runs train it anew.
    """
    refuse_another_network(said, architecture)
    if said.images is not None:
        kept = {key: value for key, value in said.images.items() if key in ("mean", "std")}
        said = replace(said, images=kept)
    found = list(differences(said, architecture, architecture.input_size, 0))
    if found:
        raise Refusal(
            f"{CONFIG} beside the foundation describes another network than {architecture.name}: "
            f"{'; '.join(found)[:1500]}; name the network that the weights are of, or correct the file"
        )


def differences(said: Configuration, architecture: Architecture, size: int, classes: int) -> Iterator[str]:
    """Each key that differs, with both values. `classes` 0: there is no classifier, and nothing of one is compared."""
    if said.arguments is not None:
        yield from _arguments(said.arguments, architecture, classes)
    if said.pooling is not None and not _pools(said.pooling, architecture):
        yield f"global_pool is {said.pooling[:80]!r}"
    if classes and said.classes not in (None, classes):
        yield f"num_classes is {said.classes}, not {classes}"
    if classes and said.names is not None and len(said.names) != classes:
        yield f"it names {len(said.names)} outputs, not {classes}"
    if said.images is not None:
        yield from _images(said.images, architecture, size)


def _arguments(stated: Mapping[str, Any], architecture: Architecture, classes: int) -> Iterator[str]:
    """Arguments of the network. timm leaves out those that are None."""
    ours: dict[str, Any] = {"img_size": architecture.input_size, "in_chans": 3, **architecture.arguments}
    theirs = {key: value for key, value in stated.items() if value is not None}
    if "global_pool" in theirs and not _pools(theirs["global_pool"], architecture):
        yield f"its network has global_pool = {str(theirs['global_pool'])[:80]}"
    if classes and theirs.get("num_classes", classes) != classes:
        yield f"its network has num_classes = {str(theirs['num_classes'])[:80]}, not {classes}"
    for key in sorted(theirs.keys() - TRAINING_ONLY - {"num_classes", "global_pool"}):
        value = theirs[key]
        if key == "img_size" and isinstance(value, list) and len(set(value)) == 1:
            value = value[0]
        if key not in ours:
            yield f"its network has the argument {key[:80]} = {str(value)[:80]}"
        elif not _same(value, ours[key]):
            yield f"its network has {key} = {str(value)[:80]}, not {ours[key]}"
    for key in sorted(architecture.arguments.keys() - TRAINING_ONLY - {"img_size"} - theirs.keys()):
        yield f"its network lacks the argument {key} = {architecture.arguments[key]}"


def _images(stated: Mapping[str, Any], architecture: Architecture, size: int) -> Iterator[str]:
    """How images become inputs."""
    wanted: dict[str, Any] = {"input_size": [3, size, size], "mean": architecture.mean, "std": architecture.std}
    wanted |= {"interpolation": INTERPOLATION, "crop_mode": CROP_MODE, "crop_pct": CROP_SHARE}
    for key, theirs in stated.items():
        ours = wanted[key]
        if key in ("mean", "std"):
            same = _close(theirs, ours)
        elif key == "input_size":
            same = isinstance(theirs, Sequence) and list(theirs) == ours
        else:
            same = _same(theirs, ours)
        if not same:
            shown = [round(one, 4) for one in ours] if key in ("mean", "std") else ours
            yield f"{key} is {str(theirs)[:80]}, not {shown}"


def _pools(pooling: object, architecture: Architecture) -> bool:
    """Whether a stated pooling is the architecture's: what its record says, else what its tensors tell of timm's."""
    ours = architecture.arguments.get("global_pool")
    if ours is not None:
        return pooling == ours
    first = {tensor.name.partition(".")[0] for tensor in architecture.featurizer}
    if "attn_pool" in first:
        return pooling == "map"
    if "cls_token" in first and "fc_norm" not in first:  # a network that averages its tokens normalises afterwards
        return pooling == "token"
    return pooling in ("avg", "fast")  # two computations of one mean


def _same(stated: object, ours: object) -> bool:
    return isinstance(stated, bool) == isinstance(ours, bool) and stated == ours


def _close(stated: object, ours: Sequence[float]) -> bool:
    if not isinstance(stated, Sequence) or isinstance(stated, str) or len(stated) != len(ours):
        return False
    numbers = [one for one in stated if isinstance(one, int | float) and not isinstance(one, bool)]
    return len(numbers) == len(ours) and all(
        abs(one - other) <= CLOSE for one, other in zip(numbers, ours, strict=True)
    )
