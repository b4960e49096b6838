"""Processor time is counted by what a child process runs, and between two moments."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.processors import ProcessorTime

BURN = "import time\nwhile time.process_time() < 1: pass\nprint('burnt', flush=True)\ntime.sleep(600)"


def test_time_is_told_by_part_and_by_span() -> None:
    command = [sys.executable, "-c", BURN, "node join"]
    with ProcessorTime() as processor, subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(1)  # five looks
            later = time.time()
        finally:
            child.kill()
    assert 0.9 <= processor.by_part()["nodes"] < 60
    assert processor.by_part(later).get("nodes", 0.0) < 0.5
