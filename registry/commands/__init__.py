"""Commands that ask a registry, enter something into it, or serve one.

Each is thin: it opens a registry, asks once or twice, and shows what pure functions make of the answer
(`registry.presentation`). With a gRPC remote none of them loads a database, torch or Flower.
"""
