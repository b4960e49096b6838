import json

import pytest

from benchmarks.training import KEEPS, main


def test_the_benchmark_runs_from_end_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "shapes", "--batch", "2", "--steps", "2", "--turns", "3", "--device", "cpu", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["variant"] for row in report["rows"]] == [
        "bare loop",
        "bare loop, batch ready",
        *(f"ours, keeps {name}" for name in KEEPS),
        "bare loop, domain workers",
    ]
    assert all(row["images_per_second"] > 0 for row in report["rows"])
    assert report["limit_met"] is None


def test_a_device_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "shapes", "--device", "abacus"]) == 2
    assert "abacus" in capsys.readouterr().err
