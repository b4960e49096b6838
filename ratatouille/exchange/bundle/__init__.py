"""The Flower app bundle: a constant archive that names our two apps and carries no code.

Flower insists on sending a bundle to every node, and code inside a bundle would shadow what is installed there. Ours is
built from the `pyproject.toml` beside this file, so that both sides can compute its hash from their own installation,
and a node accepts this hash and no other. Whoever submits or accepts it is in `coordinator` and `contributor_client`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ratatouille.record import sha256


@cache
def build_bundle() -> bytes:
    """The archive, byte for byte the same wherever the same version is installed (its entries are stored, not packed)."""
    # Flower is only installed with the coordinator's and the node's requirements.
    from flwr.cli.build import build_fab_from_files

    manifest = files(__package__).joinpath("pyproject.toml").read_bytes()
    # git and editors may change line ends; the hash must not depend on them.
    bundle, _ = build_fab_from_files({"pyproject.toml": manifest.replace(b"\r\n", b"\n")})
    return bundle


def bundle_hash() -> str:
    """The hash that Flower puts on the tasks of a run of this bundle."""
    return sha256(build_bundle())
