"""Maintenance: the room that is used and left, garbage collection, audits, and the registry's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.records import AuditPage, AuditPlace, Collected, Usage
from registry.services.method import ImportedOnUse, Service, method

if TYPE_CHECKING:
    from registry import settings as registry_settings
    from registry.audit import stages
    from registry.retention import gc
    from registry.settings import Settings
else:
    registry_settings = ImportedOnUse("registry.settings")
    stages = ImportedOnUse("registry.audit.stages")
    gc = ImportedOnUse("registry.retention.gc")


class Maintenance(Service):
    """Room, audits and settings."""

    @method("reader")
    def usage(self) -> Usage:
        """What the registry holds, and how much room it has."""
        return self._reading(gc.usage, self._storage.blobs)

    @method("owner", slow=True)
    def collect(self, dry_run: bool = True) -> Collected:
        """Remove the weights that the policy does not keep, and files that no version has; a dry run only looks."""
        return gc.collect(self._storage.database, self._storage.blobs, dry_run)

    @method("reader", slow=True)
    def audit(self, place: AuditPlace | None = None) -> AuditPage:
        """Check the next things of all that is kept, for about a second; `registry.commands.verify` asks for all pages.

        Args:
            place: where the last page says that the next one begins; None begins.
        """
        return stages.page(self._storage, place)

    @method("owner", local=True)
    def settings(self) -> Settings:
        """What the maintainers have set."""
        return self._reading(registry_settings.read_settings)

    @method("owner", local=True)
    def configure(self, name: str, value: str | int | float | None) -> None:
        """Set one of `registry.settings.Settings`; None returns to the default."""
        self._writing(registry_settings.write_setting, name, value)
