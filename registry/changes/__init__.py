"""Retractions: versions and counts that are taken back, with every average that is made again without them.

`retraction` takes versions back; `counts` takes back evaluations. The signed changes themselves are in the ledger.
"""
