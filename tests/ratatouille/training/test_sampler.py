"""Which images a step trains on."""

from __future__ import annotations

import numpy as np

from ratatouille.training.batches import Sampler, stream, stream_seed


def test_every_domain_gives_its_share_of_a_batch_in_order() -> None:
    sampler = Sampler([np.arange(0, 10), np.arange(100, 103)], 5, stream("sampler", 0))
    for _ in range(20):
        drawn = sampler.draw()
        assert drawn.shape == (10,)
        assert (drawn[:5] < 10).all()
        assert (drawn[5:] >= 100).all()


def test_images_are_drawn_with_replacement_and_all_alike() -> None:
    sampler = Sampler([np.arange(4)], 1000, stream("sampler", 0))
    counts = np.bincount(np.concatenate([sampler.draw() for _ in range(40)]), minlength=4)
    np.testing.assert_allclose(counts / 40_000, 0.25, atol=0.01)


def test_a_saved_state_goes_on_with_the_same_batches() -> None:
    sampler = Sampler([np.arange(1000)], 8, stream("sampler", 7))
    sampler.draw()
    state = sampler.generator.get_state()
    expected = sampler.draw()
    other = Sampler([np.arange(1000)], 8, stream("sampler", 99))
    other.generator.set_state(state)
    np.testing.assert_array_equal(other.draw(), expected)


def test_streams_differ_by_name_and_by_seed() -> None:
    assert (
        len({stream_seed(name, seed) for name in ("sampler", "augmentation", "dropout") for seed in range(50)}) == 150
    )
    assert stream_seed("sampler", 0) == 8946826113613240873
