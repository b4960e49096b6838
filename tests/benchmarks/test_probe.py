import json

import pytest

from benchmarks.probe import RATES, main


def test_the_benchmark_runs_from_end_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "shapes", "--batch", "2", "--steps", "3", "--turns", "3", "--device", "cpu", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["learning_rate"] for one in report["searched"]] == list(RATES)
    assert report["fastest_rate"] in RATES
    assert all(row["seconds"] > 0 for row in report["rows"])
    assert report["limit_met"] is None


def test_a_device_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "shapes", "--device", "abacus"]) == 2
    assert "abacus" in capsys.readouterr().err
