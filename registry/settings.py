"""Values that a registry keeps about itself, each with a type and a default."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError
from sqlalchemy import Connection, delete, insert, select

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import RegistryId
from ratatouille.exchange.membership import LONGEST_AUTHORITY
from ratatouille.record import Digest, Record, canonical_json, first_problem
from registry.schema import SettingRow
from registry.texts import LONGEST_ADDRESS

_log = logging.getLogger("registry")
ANNOUNCED = ("fleet", "coordinator", "public", "authority")
"""Settings that the coordinator announces; people do not change them, and a copy of a registry does not have them."""
FIXED = (*ANNOUNCED, "registry")
"""Settings that people do not change."""

WORDS = ("reading",)
"""Settings whose values are words; those of the others that people change are numbers."""

Size = Annotated[int, Field(ge=0, lt=2**63)]


class Settings(Record):
    """The settings of a registry."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    registry: RegistryId | None = None
    """What tells this registry from others; made once, and kept in backups."""
    fleet: Annotated[str, Field(max_length=LONGEST_ADDRESS)] | None = None
    """Address where nodes join the coordinator's fleet; set by the coordinator while it is up."""
    coordinator: Digest | None = None
    """Key that signs the orders of rounds; set by the coordinator when it comes up."""
    public: Annotated[str, Field(max_length=LONGEST_ADDRESS)] | None = None
    """NAME:PORT of the front door; set by the coordinator while it is up."""
    authority: Annotated[str, Field(max_length=LONGEST_AUTHORITY)] | None = None
    """The certificate (PEM) of the authority that signed the front door's; set by the coordinator while it is up."""
    reading: Literal["public", "members"] = "public"
    """Who may read the history: everybody who reaches the registry and its web page, or members only."""
    reserve_bytes: Size = 2**30
    """Space on the disk that uploads must leave free."""
    largest_part_bytes: Size = 16 * 2**30
    """The largest head or featurizer that is taken."""
    node_bytes_per_day: Size = 256 * 2**30
    """How much one node may push in 24 hours."""
    node_contributions_per_hour: Size = 10_000
    """How many receipts one node may push in an hour, of evaluations too."""
    node_transfers: Size = 16
    """How many of one node's pushes may be under way or broken off at a time."""
    stale_seconds: float = 24 * 3600.0
    """When what has come of a broken upload is thrown away."""
    longest_lease_seconds: float = 10 * 60.0
    """Leases that claim more are cut to this."""
    retention_rounds: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """How many of the newest rounds keep all their weights; of older ones gc takes what nothing released needs."""


_SETTINGS = select(SettingRow.name, SettingRow.value)


def read_settings(connection: Connection) -> Settings:
    """The values that hold now; one that cannot be read has its default."""
    values = _stored(connection)
    try:
        return _whole(values)
    except Refusal:
        return _readable(values)


def check_settings(connection: Connection) -> Settings:
    """The values that are stored.

    Raises:
        Refusal: for one that cannot be read.
    """
    return _whole(_stored(connection))


def _stored(connection: Connection) -> dict[str, str]:
    return {row.name: row.value for row in connection.execute(_SETTINGS)}


def _whole(values: Mapping[str, str]) -> Settings:
    return Settings.from_json("{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}")


def _readable(values: Mapping[str, str]) -> Settings:
    """The settings without those that cannot be read: one of them harms itself only."""
    found = Settings()
    for name, value in values.items():
        try:
            one = Settings.from_json(f'{{"{name}":{value}}}')
        except Refusal as refusal:
            _log.warning("the setting %s has its default: %s", name[:80], refusal)
        else:
            found = found.model_copy(update={name: getattr(one, name)})
    return found


def name_registry(connection: Connection) -> None:
    """Give a registry its id, if it has none."""
    if "registry" not in _stored(connection):
        write_setting(connection, "registry", secrets.token_hex(16))


def write_setting(connection: Connection, name: str, value: str | int | float | None) -> None:
    """Set a value; None returns to the default.

    Raises:
        Refusal: for an unknown name or an unusable value.
    """
    if name not in Settings.model_fields:
        raise Refusal(f"a registry has no setting {name!r}; it has {', '.join(Settings.model_fields)}")
    connection.execute(delete(SettingRow).where(SettingRow.name == name))
    if value is not None:
        try:
            Settings.model_validate_json(canonical_json({name: value}))
        except ValidationError as error:
            _, _, problem = first_problem(error).partition(": ")
            raise Refusal(f"the setting {name} cannot be {str(value)[:40]!r}: {problem}") from error
        connection.execute(insert(SettingRow).values(name=name, value=canonical_json(value).decode()))
