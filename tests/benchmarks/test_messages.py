"""The benchmark of messages carries the same bytes in both ways, and compares them in one run."""

from __future__ import annotations

import json

import pytest

from benchmarks.registry.messages import main


def test_the_benchmark_of_messages_compares_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--megabytes", "3", "--turns", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["transfer"] for row in report["transfers"]] == ["fetch", "push"]
    assert all(row["ratio"] > 0 for row in report["transfers"])
