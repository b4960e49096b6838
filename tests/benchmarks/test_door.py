"""The benchmark of the front door runs; how fast it was is for people to look at."""

import json

import pytest

from benchmarks.door import main


def test_the_benchmark_compares_both_ways_through_the_door_with_plain_loopback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["--json", "--turns", "1", "--numbers", "100000"])
    report = json.loads(capsys.readouterr().out)
    assert code == (0 if report["met"] else 1)
    assert [row["transfer"] for row in report["transfers"]] == ["push", "fetch"]
    for row in report["transfers"]:
        assert row["share"] == pytest.approx(row["loopback_seconds"] / row["door_seconds"], rel=0.05, abs=0.02)
