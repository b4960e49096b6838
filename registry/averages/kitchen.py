"""One combination in the making: its claims, its temporary files, and the rows of what it made.

Like a push it claims what it relies on before it looks, stores its results, and writes rows last (`claims`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from ratatouille.record import sha256
from ratatouille.weights.architecture import Part
from ratatouille.weights.combine import sole
from registry.averages.ingredients import Ingredients
from registry.blobs.access import Blobs
from registry.blobs.receiving import Receiving
from registry.blobs.store import missing
from registry.contributions.ledger import enter_blob
from registry.database import Database
from registry.ledger.claims import Claims, live, refuse_removed


@dataclass(frozen=True)
class Dish:
    """One part of the result."""

    part: Part
    size: int
    receiving: Receiving | None
    """Its file; none when it is one of the ingredients itself."""


class Kitchen:
    """The temporary files of one combination; leaving the context removes those that were not stored."""

    def __init__(self, database: Database, blobs: Blobs, work_id: str) -> None:
        self._database = database
        self._blobs = blobs
        self._work_id = work_id
        # another machine may make the same average now, and relies on its own claims
        self._claims = Claims(blobs.inbox, sha256(f"{work_id} in {blobs.inbox.name}".encode()))
        self._dishes: dict[str, Dish] = {}

    def __enter__(self) -> Kitchen:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        for dish in self._dishes.values():
            if dish.receiving is not None:
                dish.receiving.discard()
                dish.receiving.close()
        if kind is not None:
            with self._database.write() as connection:
                self._claims.release(connection)

    def claim(self, ingredients: Ingredients) -> None:
        """Claim everything that is averaged, and room for the results."""
        sizes = {digest: 0 for part in ingredients.parts for digest, _ in ingredients.shares(part)}
        for part in ingredients.parts:
            if sole(ingredients.shares(part)) is None:
                sizes[self._temporary(part)] = ingredients.size(part)
        with self._database.write() as connection:
            self._claims.take(connection, sizes)
            refuse_removed(connection, sizes)

    def cook(self, ingredients: Ingredients, part: Part) -> str:
        """Compute one part into a temporary file; returns the digest. A mean of equal files is that file."""
        size, same = ingredients.size(part), sole(ingredients.shares(part))
        if same is not None:
            self._dishes[same] = Dish(part, size, None)
            return same
        receiving = self._blobs.inbox.receive(self._temporary(part))
        try:
            digest = receiving.fill(lambda output: ingredients.write(self._blobs, part, output))
        except BaseException:
            receiving.discard()
            receiving.close()
            raise
        self._dishes[digest] = Dish(part, size, receiving)
        return digest

    def store(self) -> None:
        """Store the results, but those that are here already."""
        with self._database.write() as connection:
            self._claims.take(connection, dict.fromkeys(self._dishes, 0))
            owned = live(connection, self._dishes)
        for digest, dish in self._dishes.items():
            if digest in owned and self._blobs.holds(digest, dish.size):
                continue
            if dish.receiving is None:
                raise missing(digest)
            self._blobs.place(dish.receiving, digest)

    def serve(self, connection: Connection) -> None:
        """Write the rows of the results."""
        self._claims.check(connection, self._dishes)
        for digest, dish in self._dishes.items():
            enter_blob(connection, digest, dish.part, dish.size)
        self._claims.release(connection)

    def _temporary(self, part: Part) -> str:
        return sha256(f"{self._work_id}/{part}".encode())
