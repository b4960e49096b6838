"""Revisions: the ways in which people name a version: ids, their beginnings, aliases, tags, and steps from there.

`REVISION~N` goes N steps to the first parent; `ALIAS@{2026-03-01}` is where the alias pointed at
the end of that day, week or moment.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, bindparam, select

from ratatouille.errors import Refusal
from registry.ledger.releases import alias_target, tag_target
from registry.moments import period
from registry.schema import AliasRow, ParentRow, VersionRow
from registry.texts import HEXADECIMAL

LATEST = "latest"
"""The alias that rounds start from unless their file names another foundation."""
MOST_STEPS = 10_000
_REVISION = re.compile(r"(?P<base>[A-Za-z0-9._-]+)(@\{(?P<moment>[^}]{1,40})\})?(~(?P<steps>[0-9]{0,5}))?")


# a range, not LIKE: it can use the index
_IN_RANGE = (
    select(VersionRow.id)
    .where(VersionRow.id >= bindparam("low"), VersionRow.id <= bindparam("high"))
    .order_by(VersionRow.id)
    .limit(2)
)
_FIRST_PARENT = select(ParentRow.parent).where(ParentRow.child == bindparam("of"), ParentRow.position == 0)


def resolve(connection: Connection, revision: str) -> str:
    """The version's full id.

    Raises:
        Refusal: when nothing, or more than one version, is meant.
    """
    match = _REVISION.fullmatch(revision)
    if match is None:
        raise Refusal(
            f"{revision[:100]!r} is no revision; "
            "use an id, the beginning of one, an alias, a tag, or one of them with ~1"
        )
    found = _base(connection, match["base"], match["moment"])
    steps = match["steps"]
    return _walk(connection, found, revision, 0 if steps is None else int(steps or 1))


def _base(connection: Connection, base: str, moment: str | None) -> str:
    if moment is not None:
        return _alias_at(connection, base, moment)
    target = alias_target(connection, base) or tag_target(connection, base)
    if target is not None:
        return target
    if not HEXADECIMAL.fullmatch(base):
        way = "; `ratatouille log` shows them"
        if base == LATEST:
            way = f": `ratatouille foundation` or `ratatouille release`, with `--as {LATEST}`, says where rounds start"
        raise Refusal(f"there is no alias or tag {base[:80]!r}{way}")
    found = connection.execute(_IN_RANGE, {"low": base, "high": base + "f" * (64 - len(base))}).scalars().all()
    if not found:
        raise Refusal(f"no version's id begins with {base}; `ratatouille log` shows versions and aliases")
    if len(found) > 1:
        raise Refusal(f"several versions begin with {base}: {found[0][:12]}…, {found[1][:12]}…; type more of the id")
    return found[0]


def _alias_at(connection: Connection, name: str, moment: str) -> str:
    seconds = period(moment).end
    query = select(AliasRow.version).where(AliasRow.name == name, AliasRow.at < seconds)
    found = connection.execute(query.order_by(AliasRow.number.desc()).limit(1)).scalar()
    if found is None:
        raise Refusal(f"alias {name[:80]} pointed nowhere at {moment} (UTC)")
    return found


def _walk(connection: Connection, id: str, revision: str, steps: int) -> str:
    if steps > MOST_STEPS:
        raise Refusal(f"{revision} goes too far back; {MOST_STEPS} steps are the most")
    for done in range(steps):
        parent = connection.execute(_FIRST_PARENT, {"of": id}).scalar()
        if parent is None:
            raise Refusal(f"{revision} does not exist: {id[:12]}…, {done} steps back, has no parent")
        id = parent
    return id
