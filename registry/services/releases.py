"""Releases: aliases that move, tags that stay, and what was taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratatouille.exchange.change import Move, Restore, Retract, RetractCounts, Tag
from ratatouille.exchange.signing import Sealed, unseal
from registry.lists import MOST_ROWS, clipped
from registry.records import AliasMove, Retraction, TagRecord
from registry.services.method import ImportedOnUse, Service, method

if TYPE_CHECKING:
    from registry import retraction
    from registry.ledger import releases, signed_changes
else:
    retraction = ImportedOnUse("registry.retraction")
    releases = ImportedOnUse("registry.ledger.releases")
    signed_changes = ImportedOnUse("registry.ledger.signed_changes")


class Releases(Service):
    """Aliases, tags and retractions."""

    @method("maintainer")
    def move_alias(self, sealed: Sealed) -> AliasMove:
        """Point an alias at a version (a sealed `Move`), if it is where the move says; the move is kept for ever."""
        move = unseal(sealed, Move)
        return self._writing(releases.move_alias, sealed, move)

    @method("maintainer")
    def tag(self, sealed: Sealed) -> TagRecord:
        """Give a version a name for ever (a sealed `Tag`)."""
        tag = unseal(sealed, Tag)
        return self._writing(releases.add_tag, sealed, tag)

    @method("reader")
    def tags(self, after: str = "", limit: int = MOST_ROWS) -> list[TagRecord]:
        """Tags by name; the next page begins after the last one's name."""
        return self._reading(releases.tags, after, limit)

    @method("reader")
    def aliases(self, after: str = "", limit: int = MOST_ROWS) -> dict[str, str]:
        """Aliases and the versions they point at, by name; the next page begins after the last name."""
        return self._reading(releases.aliases, after, clipped(limit))

    @method("reader")
    def alias_history(self, name: str, before: int | None = None, limit: int = MOST_ROWS) -> list[AliasMove]:
        """Moves of an alias, latest first; the next page is before the last one's number."""
        return self._reading(releases.alias_history, name, before, limit)

    @method("contributor", slow=True)
    def retract(self, sealed: Sealed, dry_run: bool = False) -> Retraction:
        """Take a version back (a sealed `Retract`): its question is open again, every average that it is in is made
        again without it, and aliases follow. A dry run only says what would happen.
        """
        change = unseal(sealed, Retract)
        return retraction.retract(self._storage.database, self._storage.blobs, sealed, change, dry_run)

    @method("contributor")
    def retract_counts(self, sealed: Sealed) -> None:
        """Take counts back, which make no version (a sealed `RetractCounts`): their question is open again."""
        change = unseal(sealed, RetractCounts)
        self._writing(retraction.retract_counts, sealed, change)

    @method("contributor")
    def restore(self, sealed: Sealed) -> None:
        """Let a receipt that was taken back come again (a sealed `Restore`); without this it is refused for ever."""
        change = unseal(sealed, Restore)
        self._writing(signed_changes.restore, sealed, change)

    @method("reader")
    def retractions(self, before: int | None = None, limit: int = 50) -> list[Retraction]:
        """What was taken back, latest first; the next page is `before=retractions[-1].number`."""
        return self._reading(retraction.retractions, before, clipped(limit))
