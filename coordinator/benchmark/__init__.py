"""Benchmarks: many rounds over trials, held-out domains and settings, rehearsed on one machine, and one report.

`suite` is the description of a benchmark, `suites` makes those that there are, `running` carries one out (and on, after
an interruption), `pages` writes the report.
"""
