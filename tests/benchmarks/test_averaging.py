import json

import pytest

from benchmarks.averaging import SIZES, main


def test_the_benchmark_runs_from_end_to_end_and_finds_identical_bits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "small", "--counts", "3", "--repeats", "3", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    (result,) = report["results"]
    assert report["identical_bits"]
    assert result["models"] == result["orders"] == 3
    assert {"read", "output", "sync", "ours", "flower_records", "flower"} <= result.keys()
    least = result["read"]["seconds"] + result["output"]["seconds"]
    assert result["ours"]["ratio_with_output"] == pytest.approx(result["ours"]["seconds"] / least, rel=0.1)


def test_the_large_table_is_that_of_a_vision_transformer_b16() -> None:
    assert len(SIZES["vit-b16"]) == 152
    assert sum(tensor.elements for tensor in SIZES["vit-b16"]) == 86_567_656
