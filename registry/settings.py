"""Values that a registry keeps about itself, each with a type and a default."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from ratatouille.errors import Refusal
from ratatouille.record import Record, canonical_json
from registry.schema import Setting


class Settings(Record):
    """What can be set."""

    fleet: str | None = None
    """Address where nodes join the coordinator's fleet; set by the coordinator while it is up."""
    reserve_bytes: int = 2**30
    """Space on the disk that uploads must leave free."""
    largest_part_bytes: int = 16 * 2**30
    """The largest head or featurizer that is taken."""
    stale_seconds: float = 24 * 3600.0
    """When what has come of a broken upload is thrown away."""
    longest_lease_seconds: float = 7 * 24 * 3600.0
    """Leases that claim more are cut to this."""


def read_settings(connection: Connection) -> Settings:
    """The values that hold now."""
    rows = connection.execute(select(Setting.name, Setting.value)).all()
    fields = ",".join(f'"{row.name}":{row.value}' for row in rows)
    return Settings.from_json("{" + fields + "}")


def write_setting(connection: Connection, name: str, value: str | int | float | None) -> None:
    """Set a value; None returns to the default.

    Raises:
        Refusal: for an unknown name or an unusable value.
    """
    if name not in Settings.model_fields:
        raise Refusal(f"a registry has no setting {name!r}; it has {', '.join(Settings.model_fields)}")
    connection.execute(delete(Setting).where(Setting.name == name))
    if value is not None:
        Settings.from_json(canonical_json({name: value}))
        connection.execute(insert(Setting).values(name=name, value=canonical_json(value).decode()))
