"""The names of a checkpoint's outputs: every way in which they are written gives one order, or a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from ratatouille.errors import Refusal
from ratatouille.weights.configuration import order_of, output_names


@pytest.mark.parametrize(
    "configuration",
    [
        {"label_names": ["dog", "cat"]},
        {"label_names": {"1": "cat", "0": "dog"}},
        {"labels": ["dog", "cat"]},
        {"id2label": {"0": "dog", "1": "cat"}},
        {"label2id": {"cat": 1, "dog": 0}},
        {"label2id": {"cat": "1", "dog": "0"}},
        {"label2id": {"cat": 1, "dog": 0}, "id2label": {"0": "dog", "1": "cat"}, "labels": ["dog", "cat"]},
    ],
)
def test_every_way_to_write_the_names_is_read(configuration: dict[str, Any]) -> None:
    assert output_names(configuration) == ("dog", "cat")


@pytest.mark.parametrize("configuration", [{}, {"label_names": []}, {"label2id": {}}, {"id2label": None}])
def test_no_names_are_no_names(configuration: dict[str, Any]) -> None:
    assert output_names(configuration) is None


@pytest.mark.parametrize(
    ("configuration", "sentence"),
    [
        ({"label_names": "dog"}, "label_names in config.json cannot be read"),
        ({"label_names": {"1": "dog", "2": "cat"}}, "label_names in config.json cannot be read"),
        ({"label_names": [0, 1]}, "label_names in config.json cannot be read"),
        ({"label2id": ["dog", "cat"]}, "label2id in config.json cannot be read"),
        ({"label2id": {"dog": False, "cat": True}}, "label2id in config.json cannot be read"),
        ({"label2id": {"dog": 0, "cat": 0}}, "label2id in config.json cannot be read"),
        ({"label2id": {"dog": 0.0, "cat": 1.0}}, "label2id in config.json cannot be read"),
        ({"labels": ["dog", "dog"]}, "labels in config.json has a name twice"),
        ({"labels": ["caf\u00e9", "cafe\u0301"]}, "has a name twice"),
        (
            {"labels": ["dog", "cat"], "label2id": {"dog": 1, "cat": 0}},
            "labels and label2id in config.json do not name",
        ),
    ],
)
def test_names_that_could_mean_another_order_are_refused(configuration: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        output_names(configuration)


def test_the_order_is_found_by_names_in_one_unicode_form() -> None:
    assert order_of(("dog", "cafe\u0301", "cat"), ("cat", "caf\u00e9", "dog"), "pets") == [2, 1, 0]


@pytest.mark.parametrize(("names", "said"), [(("dog", "cow"), "'cow' and no 'cat'"), (("dog",), "'dog' and no 'cat'")])
def test_other_names_are_refused(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(Refusal, match=f"not those of task pets: it has {said}; rename"):
        order_of(names, ("cat", "dog"), "pets")
