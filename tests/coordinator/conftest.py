"""Flower imports typer, which uses names that newer click deprecates: warnings are errors for our own code only."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.supercore.logger  # noqa: F401
