"""Model Ratatouille: recycle many fine-tunings of one foundation model into one better model.

This package is the method: weights and data in, better weights out. It knows no network and no database. From the
bottom: `weights` and `tasks`, then `exchange` (the records that travel), `recipes` (what a round does, as a pure plan),
`training` (torch) and `analysis`. The services live in their own packages: `registry` remembers versions, `coordinator`
runs rounds, `contributor_client` works on contributors' machines.
"""

__version__ = "0.1.0"
