"""One network as one file: what goes in comes out, and what does not fit is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from ratatouille.errors import Refusal
from ratatouille.weights import canonical
from ratatouille.weights.architecture import Architecture, Tensor
from ratatouille.weights.canonical import Array
from ratatouille.weights.container import Container
from ratatouille.weights.whole import METADATA, Classifier, put_together, take_apart

NETWORK = Architecture(
    name="tiny",
    input_size=8,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    padding="symmetric",
    width=3,
    featurizer=(
        Tensor(name="conv.weight", shape=(3, 3, 2, 2)),
        Tensor(name="bn.num_batches_tracked", dtype="I64", buffer=True),
        Tensor(name="zero.bias", shape=(3,)),
    ),
)


def featurizer() -> dict[str, Array]:
    generator = np.random.default_rng(1)
    return {
        "conv.weight": generator.standard_normal((3, 3, 2, 2), dtype=np.float32),
        "bn.num_batches_tracked": np.array(7, np.int64),
        "zero.bias": generator.standard_normal(3, dtype=np.float32),
    }


def head(classes: int = 4) -> dict[str, Array]:
    generator = np.random.default_rng(2)
    weight = generator.standard_normal((classes, 3), dtype=np.float32)
    return {"weight": weight, "bias": generator.standard_normal(classes, dtype=np.float32)}


def saved(path: Path, classifier: Classifier | None, top: dict[str, Array] | None) -> Path:
    path.write_bytes(b"".join(put_together(NETWORK, featurizer(), classifier, top)))
    return path


@pytest.mark.parametrize("classifier", [Classifier(name="head.fc"), Classifier(name="fc", convolution=True)])
def test_parts_come_out_of_a_file_with_the_digests_that_went_in(tmp_path: Path, classifier: Classifier) -> None:
    path = saved(tmp_path / "model.safetensors", classifier, head())
    whole = take_apart(Container(path), NETWORK)
    assert (whole.classifier, whole.classes) == (classifier, 4)
    assert whole.digests() == (canonical.digest(featurizer()), canonical.digest(head()))
    assert np.array_equal(whole.head()["weight"], head()["weight"])
    weight = [4, 3, 1, 1] if classifier.convolution else [4, 3]
    with safe_open(path, framework="numpy") as file:
        assert file.metadata() == METADATA
        assert file.get_slice(f"{classifier.name}.weight").get_shape() == weight


def test_a_featurizer_alone_is_a_file_without_a_classifier(tmp_path: Path) -> None:
    whole = take_apart(Container(saved(tmp_path / "model.safetensors", None, None)), NETWORK)
    assert (whole.classifier, whole.classes, whole.head()) == (None, 0, {})
    assert whole.digests() == (canonical.digest(featurizer()), None)


def test_a_canonical_stream_has_the_bytes_of_the_encoding() -> None:
    assert b"".join(canonical.stream(NETWORK.featurizer, featurizer())) == canonical.encode(featurizer())


FC = {"fc.weight": head()["weight"], "fc.bias": head()["bias"]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"zero.bias": None}, "tensor zero.bias is missing"),
        ({"zero.bias": np.zeros(4, np.float32)}, r"tensor zero.bias has shape \[4\] instead of \[3\]"),
        ({"zero.bias": np.zeros(3, np.float16)}, "zero.bias of 'x.safetensors' is F16: rounding .* save the float32"),
        ({"zero.bias": np.zeros(3, np.float64)}, "zero.bias of 'x.safetensors' is F64, not F32"),
        ({"bn.num_batches_tracked": np.array(7, np.int32)}, "num_batches_tracked of 'x.safetensors' is I32, not I64"),
        ({"ema.rate": np.zeros(1, np.float32)}, "beside its featurizer there must be one linear layer.* ema.rate"),
        (
            {"head_dist.weight": FC["fc.weight"], "head_dist.bias": FC["fc.bias"]},
            "one linear layer.*there are fc, head_dist; keep",
        ),
        ({"n_averaged": np.array(3, np.int64)}, "there is n_averaged; take it out of the file"),
        ({"step": np.array(3, np.int64)}, "there is step; take it out of the file"),
        ({"step": np.array(3, np.int64), "fc.weight": None, "fc.bias": None}, "there is step; take it out"),
        ({"aux.weight": np.zeros((4, 7), np.float32), "aux.bias": FC["fc.bias"]}, "there is aux.bias; take it out"),
        ({"fc.bias": None}, "one linear layer, a weight and a bias, but there is fc.weight"),
        ({"fc.weight": np.zeros((4, 5), np.float32)}, r"fc.weight has shape \[4, 5\]; .* takes 3 features"),
        ({"fc.weight": np.zeros((4, 3, 2, 2), np.float32)}, r"fc.weight has shape \[4, 3, 2, 2\]"),
        ({"fc.weight": np.zeros(4, np.float32)}, r"fc.weight has shape \[4\]"),
        ({"fc.bias": np.zeros(5, np.float32)}, "fc.bias has another length than the 4 classes of fc.weight"),
        ({"fc.weight": FC["fc.weight"].astype(np.float16)}, "fc.weight of 'x.safetensors' is F16"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, changes: dict[str, Array | None], sentence: str) -> None:
    arrays = {name: array for name, array in (featurizer() | FC | changes).items() if array is not None}
    save_file(arrays, tmp_path / "x.safetensors")
    with pytest.raises(Refusal, match=sentence):
        take_apart(Container(tmp_path / "x.safetensors"), NETWORK)


def test_names_with_something_before_them_are_shown_with_it(tmp_path: Path) -> None:
    save_file({f"module.{name}": array for name, array in featurizer().items()}, tmp_path / "x.safetensors")
    with pytest.raises(Refusal, match=r"tensor conv.weight is missing, but there is module.conv.weight"):
        take_apart(Container(tmp_path / "x.safetensors"), NETWORK)
