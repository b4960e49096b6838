"""Order bombs: what an order may ask for is limited by the node's owner, before any work begins."""

from pathlib import Path

import pytest

from contributor_client.order_checks import demands, refuse_beyond, refuse_beyond_disk
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Evaluate, FineTune, KeepBest, Mixture, Probe, Weighted
from ratatouille.failure import failure_of
from ratatouille.tasks.node import NodeData, NodeSettings
from ratatouille.tasks.settings import Limits

DIGEST = "1" * 64
BASE = {"architecture": DIGEST, "task": DIGEST, "fingerprint": DIGEST, "image_size": 224, "featurizer": DIGEST}
PROBE = Probe.model_validate(BASE | {"domains": ("day",), "l2": 1.0, "iterations": 100})
FINE_TUNE = FineTune.model_validate(
    BASE
    | {
        "head": DIGEST,
        "domains": ("a", "b", "c"),
        "seed": 1,
        "steps": 15_001,
        "warmup": 0,
        "batch": 32,
        "learning_rate": 1e-4,
        "weight_decay": 0.0,
        "dropout": 0.0,
        "evaluate_every": 300,
        "keep": KeepBest(),
    }
)
CELLS = tuple(Cell(domain="day", split=split) for split in ("train", "validation", "test", "all"))
EVALUATE = Evaluate.model_validate(BASE | {"head": DIGEST, "cells": CELLS})
PART = (Weighted(part=DIGEST),)
COMPARE = Compare.model_validate(
    {key: value for key, value in BASE.items() if key != "featurizer"}
    | {"networks": (Mixture(featurizer=PART, head=PART),) * 60, "cells": CELLS, "pairs": True}
)


@pytest.mark.parametrize("work", [PROBE, FINE_TUNE, EVALUATE, COMPARE])
def test_what_the_paper_asks_for_is_within_the_defaults(work: Probe | FineTune | Evaluate | Compare) -> None:
    refuse_beyond(Limits(), work, images=600_000)


@pytest.mark.parametrize(
    ("work", "change", "limit"),
    [
        (PROBE, {"image_size": 4096}, "image_size"),
        (PROBE, {"iterations": 10**9}, "steps"),
        (FINE_TUNE, {"batch": 2 * 10**7}, "images_per_step"),
        (FINE_TUNE, {"batch": 600, "image_size": 1024}, "megapixels_per_step"),
        (FINE_TUNE, {"steps": 10**9}, "steps"),
        (FINE_TUNE, {"steps": 50_000, "evaluate_every": 1}, "evaluations"),
        (EVALUATE, {"cells": CELLS * 5000}, "cells"),
        (COMPARE, {"cells": CELLS * 5000}, "cells"),
    ],
)
def test_each_bomb_is_refused_by_the_limit_that_it_passes(
    work: Probe | FineTune | Evaluate | Compare, change: dict[str, object], limit: str
) -> None:
    with pytest.raises(Refusal, match=rf"`{limit}` under \[limits\]") as caught:
        refuse_beyond(Limits(), work.model_copy(update=change), images=100)
    failure = failure_of(caught.value)
    assert failure.code == "order-too-large"
    assert failure.counts["number"] > failure.counts["limit"]


def test_a_comparison_is_limited_in_networks_and_in_what_they_are_mixed_from() -> None:
    few = Limits(networks=10)
    with pytest.raises(Refusal, match="60 networks"):
        refuse_beyond(few, COMPARE, images=10)
    mixed = COMPARE.model_copy(update={"networks": (Mixture(featurizer=PART * 11, head=PART),)})
    with pytest.raises(Refusal, match="11 networks"):
        refuse_beyond(few, mixed, images=10)


def test_decoded_images_are_counted_before_they_are_written() -> None:
    # 2,000,000 images of 224 pixels are 302 GB, rounded up.
    with pytest.raises(Refusal, match="302 decoded gigabytes"):
        refuse_beyond(Limits(), EVALUATE, images=2_000_000)


def test_every_limit_is_asked_about_by_some_work() -> None:
    asked = {name for work in (PROBE, FINE_TUNE, EVALUATE, COMPARE) for name, _ in demands(work, 1)}
    assert asked == set(Limits.model_fields)


def test_images_that_alone_are_more_than_the_disk_allows_are_refused_and_others_are_not() -> None:
    data = (NodeData(task="leaves", path=Path("images")),)
    settings = NodeSettings(name="anna", data=data, max_disk=1.0)
    refuse_beyond_disk(settings, PROBE, 3000)
    with pytest.raises(
        Refusal, match=r"4000 images at 224 pixels take 0\.6 GB, and this node may keep 0\.5 GB"
    ) as caught:
        refuse_beyond_disk(settings, PROBE, 4000)
    assert failure_of(caught.value).code == "order-too-large"
    for free in ({"max_disk": None}, {"image_cache": False}):
        refuse_beyond_disk(settings.model_copy(update=free), PROBE, 4000)
