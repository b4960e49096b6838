"""The benchmark of the registry runs, and says what it measured; how fast that was is for people to look at."""

from __future__ import annotations

import json

import pytest

from benchmarks.registry.__main__ import main

SMALL = ["--versions", "3000", "--repeats", "1", "--each", "2", "--numbers", "100000"]


@pytest.mark.filterwarnings("ignore:.*noload:sqlalchemy.exc.SADeprecationWarning")  # MLflow's use of SQLAlchemy
def test_the_benchmark_runs_from_end_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    code = main([*SMALL, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == (0 if report["limits_met"] else 1)
    assert set(report["questions"]) == {"SQLite", "PostgreSQL"}
    for rows in report["questions"].values():
        found = {row["question"]: row["rows"] for row in rows}
        assert found["log: the latest page"] == 50
        assert found["log: --text, of no message"] == 0
        assert found["lineage: 1,000 ancestors, a chain"] == 1001
        for row in rows:  # a limit is one of the ratio to the bare query, which runs by turns with ours
            assert row["ratio"] == pytest.approx(row["milliseconds"] / row["bare_milliseconds"], rel=0.1, abs=0.1)
            assert row["met"] is (row["ratio"] <= row["limit"])
    assert report["peer"]["peer"].startswith("MLflow")
    assert [(row["database"], row["sync_milliseconds_added"]) for row in report["publications"]] == [
        ("SQLite", 0.0),
        ("SQLite", 5.0),
        ("PostgreSQL", 0.0),
        ("PostgreSQL", 5.0),
    ]
    # each run publishes what none before has: the same files and transactions are synced in all of them
    assert len({(row["syncs"], row["transactions"]) for row in report["publications"]}) == 1
    assert {row["transfer"] for row in report["transfers"]["transfers"]} == {"push", "fetch"}
