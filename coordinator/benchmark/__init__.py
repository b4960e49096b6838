"""Benchmarks: many rounds over trials, held-out domains and settings, rehearsed on one machine, and one report.

`suite` says what a benchmark consists of, `emoji` and `own` make suites, `running` carries one out (and on, after an
interruption), `pages` writes the report.
"""
