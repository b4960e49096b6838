"""Output of benchmarks: a table for people, one JSON object for scripts, one line for a refusal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console

from ratatouille.errors import RatatouilleError

Report = dict[str, Any]
REFUSED = 2


def told(run: Callable[[], Report], show: Callable[[Report, Console], None], as_json: bool) -> Report | None:
    """Make the report and print it; None after a refusal, which is printed instead."""
    try:
        report = run()
    except RatatouilleError as error:
        print(error, file=sys.stderr)
        return None
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        show(report, Console(width=120 if not sys.stdout.isatty() else None))
    return report
