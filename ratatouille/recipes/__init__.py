"""Recipes, rounds and their plan, as values and pure functions: no torch, no socket, no clock.

`recipe` is the table of systems: where each run starts, what it keeps, how runs are combined; `columns` has the entries
of its columns. `protocol` holds the numbers that depend on scale, and draws each run's values as the paper's sweep
does. `round` is one resolved execution. `plan` turns a round and the facts so far into the work that is open now: by
one `walk`, which asks `questions` and reads `outcome`. `studies` is the table of analyses, two of which have modules of
their own; `counting` is what they share.
"""
