"""The thread that makes batches ahead changes no number."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from ratatouille.exchange.assignment import Augmentation
from ratatouille.training.augment import Transform
from ratatouille.training.batches import Batches, Sampler, stream
from tests.ratatouille.training.setup import TrainingSetup

CPU = torch.device("cpu")


def batches_of(setup: TrainingSetup) -> Batches:
    data = setup.data
    domains = [data.examples(domain, "train") for domain in ("day", "night")]
    return Batches(
        Sampler(domains, 4, stream("sampler", 3)),
        stream("augmentation", 3),
        data.images(32),
        data.labels,
        Transform(setup.architecture, CPU),
        Augmentation(),
        CPU,
    )


def test_batches_are_those_that_sampler_and_transform_give_one_after_the_other(setup: TrainingSetup) -> None:
    data = setup.data
    sampler = Sampler([data.examples(domain, "train") for domain in ("day", "night")], 4, stream("sampler", 3))
    transform, generator = Transform(setup.architecture, CPU), stream("augmentation", 3)
    with batches_of(setup) as batches:
        for number in range(4):
            drawn = sampler.draw()
            taken = batches.take(last=number == 3)
            assert torch.equal(taken.images, transform.random(data.images(32)[drawn], Augmentation(), generator))
            assert np.array_equal(taken.labels.numpy(), data.labels[drawn])
    assert torch.equal(batches.state()["sampler"], sampler.generator.get_state())
    assert torch.equal(batches.state()["augmentation"], generator.get_state())


def test_a_state_goes_on_after_the_last_batch_that_was_taken_whatever_is_in_the_making(setup: TrainingSetup) -> None:
    with batches_of(setup) as batches:
        batches.take()
        state = batches.state()
        following = batches.take()
    with batches_of(setup) as others:
        others.restore(state)
        assert torch.equal(others.state()["sampler"], state["sampler"])
        assert torch.equal(others.take().images, following.images)


def test_what_goes_wrong_in_the_thread_is_raised_where_the_batch_is_taken(setup: TrainingSetup) -> None:
    batches = batches_of(setup)
    batches._pixels = batches._pixels[:0]
    with batches, pytest.raises(IndexError):
        batches.take()


def test_the_thread_ends_with_the_run(setup: TrainingSetup) -> None:
    with batches_of(setup) as batches:
        batches.take()
        assert any(thread.name.startswith("batches") for thread in threading.enumerate())
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())
