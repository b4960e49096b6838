"""The storage of one registry: its database and its weights, taken as one value."""

from __future__ import annotations

from dataclasses import dataclass

from registry.blobs.access import Blobs
from registry.database import Database


@dataclass(frozen=True)
class Storage:
    """The database and the blobs of one registry."""

    database: Database
    blobs: Blobs
