"""Maintenance: how much room there is, what may be removed, whether all that is kept is well, and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.records import AuditPage, AuditPlace, Collected, Usage
from registry.services.method import Service, method

if TYPE_CHECKING:
    from registry.settings import Settings


class Maintenance(Service):
    """Room, audits and settings."""

    @method("reader")
    def usage(self) -> Usage:
        """What the registry holds, and how much room it has."""
        from registry.retention import collecting

        with self._read() as connection:
            return collecting.usage(connection, self._storage.blobs)

    @method("owner", slow=True)
    def collect(self, dry_run: bool = True) -> Collected:
        """Remove the weights that the policy does not keep, and files that no version has; a dry run only looks."""
        from registry.retention import collecting

        return collecting.collect(self._storage.database, self._storage.blobs, dry_run)

    @method("reader", slow=True)
    def audit(self, place: AuditPlace | None = None) -> AuditPage:
        """Check the next things of all that is kept, for about a second; `registry.callers.walk` asks for all pages.

        Args:
            place: where the last page says that the next one begins; None begins.
        """
        from registry.audit.stages import page

        return page(self._storage, place)

    @method("owner", local=True)
    def settings(self) -> Settings:
        """What the maintainers have set."""
        from registry.settings import read_settings

        with self._read() as connection:
            return read_settings(connection)

    @method("owner", local=True)
    def configure(self, name: str, value: str | int | float | None) -> None:
        """Set one of `registry.settings.Settings`; None returns to the default."""
        from registry.settings import write_setting

        with self._write() as connection:
            write_setting(connection, name, value)
