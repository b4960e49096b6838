"""Attacks on admission: the command `ratatouille benchmark admission`, for people who run the benchmarks by module.

`python -m benchmarks.admission [--quick] [--folder DIR] [--workers N] [--json]`

Rounds on emoji are rehearsed, then attacked: which check stops which attack, what the others cost the average, and how
many honest contributions are refused. docs/results/admission has a report.
"""

from __future__ import annotations

import sys

from ratatouille.cli.main import main

if __name__ == "__main__":
    sys.argv[1:1] = ["benchmark", "admission"]
    main()
