"""Settings of a node: what its owner allows it, and sentences for what is written wrong."""

from pathlib import Path

import pytest
import tomli_w

from ratatouille.tasks.node import NodeSettings, read_node_settings
from tests.ratatouille.cli.call import call


def written(folder: Path, **values: object) -> Path:
    path = folder / "node.toml"
    path.write_text(tomli_w.dumps({"name": "anna", "data": [{"task": "leaves", "path": "images"}], **values}))
    return path


def settings(folder: Path, **values: object) -> NodeSettings:
    return read_node_settings(written(folder, **values))


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:1", "cuda:12"])
def test_a_device_is_taken_as_it_is_written(tmp_path: Path, device: str) -> None:
    assert settings(tmp_path, device=device).device == device


@pytest.mark.parametrize("device", [["cuda:0", "cuda:1"], "cuda:0,cuda:1", ["cpu", "cpu"], ["cuda:0", "cpu"]])
def test_several_devices_each_have_a_worker(tmp_path: Path, device: str | list[str]) -> None:
    made = settings(tmp_path, device=device)
    assert made.devices == tuple(device.split(",") if isinstance(device, str) else device)
    assert made.device_kind in ("cuda", "cpu")
    assert NodeSettings.model_validate(made.model_dump()) == made


def test_half_of_the_disk_is_for_images_and_half_for_weights(tmp_path: Path) -> None:
    limited = settings(tmp_path, max_disk=3.0)
    assert (limited.images_bytes, limited.weights_bytes) == (1_500_000_000, 1_500_000_000)
    assert settings(tmp_path, max_disk=100).weights_bytes == 20_000 * 2**20
    assert settings(tmp_path).weights_bytes == 20_000 * 2**20


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("device", "cuda,cuda:1", 'several devices are named one by one, each once, such as ["cuda:0", "cuda:1"]'),
        ("device", ["cuda:1", "cuda:1"], "several devices are named one by one, each once"),
        ("device", ["cpu", "auto"], "several devices are named one by one, each once"),
        ("device", ["cpu"] * 65, "a node has 64 devices at most"),
        ("device", ["cpu", "gpu"], "there is no device 'gpu'"),
        ("device", [], "there is no device []"),
        ("device", "gpu", "there is no device 'gpu'; write auto, cpu, mps, cuda or cuda:1"),
        ("device", 1, "there is no device 1; write"),
        ("hours", "22-7", "'22-7' is no range of hours; write \"22:00-07:00\""),
        ("hours", ["22:00-07:00", "noon"], "'noon' is no range of hours"),
        ("cpus", 0, "greater than or equal to 1"),
        ("nice", -5, "greater than or equal to 0"),
        ("max_disk", 0, "greater than or equal to 0.1"),
        ("max_disk", "50 GB", "number"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_the_key_and_exit_code_2(
    tmp_path: Path, key: str, value: object, words: str
) -> None:
    call("check", written(tmp_path, **{key: value})).refused(key, words)
