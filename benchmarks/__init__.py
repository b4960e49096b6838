"""Benchmarks: each compares with a peer or a stated limit, on the same inputs, in the same run.

They are run by hand (`make bench`), never by the tests, which only check that they still run: a time says something on
an idle machine, and only as a ratio. Exit code 1 says that a limit was missed.
"""
