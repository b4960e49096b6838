"""The configuration of a checkpoint: what its `config.json` says of network, images and outputs, read as timm does.

Two layouts are read: timm's (`pretrained_cfg` apart, or everything in one flat object, as older versions saved it) and
that of transformers' wrapper of timm. Each key is understood, or known to change nothing, or refused by name: a key
that is ignored could make another function of the same tensors. Nothing in the file is executed or fetched.

Names of outputs: timm writes `label_names` (older versions `labels`), transformers `id2label` and `label2id`. All that
are there must agree: a head with outputs in another order is wrong for every image, and nothing shows it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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


CONFIG = "config.json"

DEFAULTS: Mapping[str, Any] = {
    "input_size": (3, 224, 224),
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "interpolation": "bicubic",
    "crop_pct": 0.875,
    "crop_mode": "center",
}
"""What timm takes for a key of images that a configuration leaves out."""
NAMES = frozenset({"label_names", "labels"})
RECOMMENDED = frozenset({"test_input_size", "test_crop_pct"})
"""How timm's own script for evaluation makes images; a federation evaluates as it trains."""
TEXTS = frozenset(
    [
        "author",
        "datasets",
        "description",
        "hf_hub_filename",
        "hf_hub_id",
        "file",
        "language",
        "library_name",
        "license",
        "license_link",
        "license_name",
        "notes",
        "origin_url",
        "paper",
        "paper_ids",
        "paper_name",
        "pipeline_tag",
        "source",
        "tag",
        "tags",
        "url",
    ]
)
"""Where a checkpoint comes from and what people say of it; no address is ever opened."""
SHAPES = frozenset(
    [
        "classifier",
        "custom_load",
        "first_conv",
        "fixed_input_size",
        "label_descriptions",
        "min_input_size",
        "num_features",
        "pool_size",
        "test_pool_size",
    ]
)
"""Names of layers, sizes that follow from tensors, and how timm reads files: the tensors are compared themselves."""
IN_PRETRAINED = frozenset(
    {*DEFAULTS, *NAMES, *RECOMMENDED, *TEXTS, *SHAPES, "architecture", "label_offset", "num_classes"}
)
AT_TOP = frozenset(
    {*NAMES, *TEXTS, "architecture", "global_pool", "label_descriptions", "model_args", "num_classes", "num_features"}
    | {"pretrained_cfg"}
)
WRAPPER = frozenset(
    [
        "_commit_hash",
        "_name_or_path",
        "architectures",
        "do_pooling",
        "dtype",
        "id2label",
        "initializer_range",
        "label2id",
        "model_type",
        "num_labels",
        "output_attentions",
        "output_hidden_states",
        "problem_type",
        "return_dict",
        "torch_dtype",
        "transformers_version",
    ]
)
"""What transformers writes; of these `refuse_other_wrapper` looks at the ones that could matter."""


@dataclass(frozen=True)
class Configuration:
    """What a checkpoint says of itself. None, or empty: it does not say."""

    architecture: str | None = None
    """timm's name of the network, without a tag."""
    arguments: Mapping[str, Any] | None = None
    """What timm passes to the network (`model_args`); None where the file does not describe a network."""
    images: Mapping[str, Any] | None = None
    """The keys of `DEFAULTS`, with timm's defaults; None where the file says nothing of images."""
    pooling: str | None = None
    classes: int | None = None
    names: tuple[str, ...] | None = None
    """Names of the outputs in their order."""
    recommended: Mapping[str, Any] | None = None
    """The keys of `RECOMMENDED` that are set."""


def read_configuration(document: Mapping[str, Any]) -> Configuration:
    """What a config.json says.

    Raises:
        Refusal: for a key that is not understood, or a value of another kind than timm writes.
    """
    top, inner = _layout(document)
    refuse_other_wrapper(top)
    if inner.get("label_offset"):
        raise _unusable("label_offset", inner["label_offset"], "save the checkpoint with its first class at output 0")
    arguments = _object(top, "model_args")
    architectures = {
        str(stated).partition(".")[0] for stated in (top.get("architecture"), inner.get("architecture")) if stated
    }
    if len(architectures) > 1:
        raise Refusal(f"{CONFIG} names two networks ({', '.join(sorted(architectures))[:100]}); correct it")
    classes = next((one["num_classes"] for one in (top, inner) if one.get("num_classes") is not None), None)
    if classes is not None and (not isinstance(classes, int) or isinstance(classes, bool)):
        raise _unusable("num_classes", classes, "write the number of outputs")
    pooling = top.get("global_pool")
    if not isinstance(pooling, str | None):
        raise _unusable("global_pool", pooling, "write timm's name of the pooling")
    return Configuration(
        architecture=next(iter(architectures), None),
        arguments=arguments if architectures or arguments else None,
        images=_images(inner, arguments),
        pooling=pooling or None,
        classes=classes,
        names=output_names({**inner, **{key: value for key, value in top.items() if value is not None}}),
        recommended={key: inner[key] for key in sorted(RECOMMENDED) if inner.get(key) is not None},
    )


def refuse_other_wrapper(top: Mapping[str, Any]) -> None:
    """Refuse a configuration of transformers that is not one of its wrapper of timm, or changes what that gives."""
    for key, allowed in (
        ("model_type", (None, "timm_wrapper")),
        ("do_pooling", (None, True)),
        ("problem_type", (None, "single_label_classification")),
    ):
        if top.get(key) not in allowed:
            raise _unusable(key, top[key], f"only {allowed[1]} has the outputs of timm's network")
    if "quantization_config" in top:
        raise _unusable("quantization_config", top["quantization_config"], "save the float32 weights")


def _layout(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The outer object and `pretrained_cfg`, which are one in a flat file.

    Raises:
        Refusal: naming a key that is not understood where it stands.
    """
    if document.get("pretrained_cfg") is None:
        _refuse_strange(document, IN_PRETRAINED | AT_TOP | WRAPPER, "")
        return document, document
    inner = _object(document, "pretrained_cfg")
    _refuse_strange(document, AT_TOP | WRAPPER, "")
    _refuse_strange(inner, IN_PRETRAINED, " in pretrained_cfg")
    return document, inner


def _refuse_strange(keys: Iterable[str], known: frozenset[str], where: str) -> None:
    strange = sorted(key for key in keys if key not in known)
    if strange:
        raise Refusal(
            f"{CONFIG} has the key {strange[0][:80]!r}{where}, which is not understood, so it could make another "
            "function of the same weights; take it out if it does not"
        )


def _images(inner: Mapping[str, Any], arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How timm would make the network's input."""
    stated = {key: inner[key] for key in DEFAULTS if inner.get(key) is not None}
    fixed = inner.get("fixed_input_size") and not arguments.get("dynamic_img_size")
    if not stated:
        return None
    images = {**DEFAULTS, **stated}
    size = arguments.get("img_size")
    if size is not None and fixed:  # as timm: the network's argument counts
        images["input_size"] = (3, *(size if isinstance(size, list) else (size, size)))
    return images


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _unusable(key, found, "write an object, as timm does")
    return found


def _unusable(key: str, value: object, remedy: str) -> Refusal:
    return Refusal(f"{CONFIG} has {key} = {str(value)[:80]}, which cannot be used; {remedy}")
