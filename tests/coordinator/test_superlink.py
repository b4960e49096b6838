"""The supervision of a SuperLink that ends again and again."""

import sys
import time
from dataclasses import replace
from pathlib import Path

from coordinator.superlink import SuperLink, SuperLinkSettings
from ratatouille.processes import free_port


def test_a_superlink_that_is_killed_while_it_starts_is_not_waited_for(tmp_path: Path) -> None:
    link = SuperLink(SuperLinkSettings(tmp_path, free_port()))
    for child, program in ((link._child, "pass"), (link._executor, "import time; time.sleep(600)")):
        child.program = replace(child.program, command=(sys.executable, "-c", program))
    link.launch()
    deadline = time.monotonic() + 60
    while link._child.starts < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    starts = link._child.starts
    link.stop()
    assert starts >= 4
