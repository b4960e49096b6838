"""The standing of a key: whose it is, whether it is live, and what its member may do.

Every record that enters the registry is checked by `refuse_revoked`. A change of members that needs a role is also
checked by `signer_role`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import MemberRole
from ratatouille.exchange.signing import Sealed
from registry.caller import Forbidden, caller, includes
from registry.ledger.members.queries import same_person
from registry.moments import day
from registry.records import KeyKind, KeyState, MemberState
from registry.schema import KeyRow, MemberRow

_KEY = (
    select(
        KeyRow.key,
        KeyRow.member,
        KeyRow.kind,
        KeyRow.state,
        KeyRow.changed,
        MemberRow.name,
        MemberRow.role,
        MemberRow.state.label("member_state"),
    )
    .join(MemberRow, MemberRow.id == KeyRow.member)
    .where(KeyRow.key == bindparam("key"))
)
_SUCCESSOR = select(KeyRow.key).where(KeyRow.replaces == bindparam("key"))


@dataclass(frozen=True)
class KeyStanding:
    """A key that is some member's."""

    key: str
    member: str
    """The member's id."""
    kind: KeyKind
    state: KeyState
    changed: float
    """When the key's state changed last."""
    name: str
    """The member's."""
    role: MemberRole
    member_state: MemberState

    @property
    def live(self) -> bool:
        """Whether the key is active, and its member too."""
        return self.state == "active" and self.member_state == "active"


def standing_of(connection: Connection, key: str) -> KeyStanding | None:
    """The standing of a key; None for one that is no member's."""
    row = connection.execute(_KEY, {"key": key}).mappings().first()
    return None if row is None else KeyStanding(**row)


def refuse_revoked(connection: Connection, key: str) -> KeyStanding | None:
    """The standing of a key that may sign something new; None for one that is no member's.

    Raises:
        Refusal: for a key that was revoked or replaced, or whose member waits.
    """
    found = standing_of(connection, key)
    if found is None or found.live:
        return found
    short = f"key {key[:12]}… of {found.name}"
    if "revoked" in (found.state, found.member_state):
        raise Refusal(
            f"{short} was revoked on {day(found.changed)}; ask a maintainer for an invitation under "
            "another name, and join with another key, which a new RATATOUILLE_HOME makes"
        )
    if found.state == "replaced":
        following = connection.execute(_SUCCESSOR, {"key": key}).scalar() or ""
        raise Refusal(f"{short} was replaced by {following[:12]}… on {day(found.changed)}; sign with that one")
    raise Refusal(f"{short} waits until a maintainer approves it; ask one for `ratatouille members approve`")


def signer_role(connection: Connection, sealed: Sealed, least: MemberRole) -> MemberRole:
    """The role with which a signer changes members, checked: its member's role, or owner where the owner calls.

    Raises:
        Refusal: for a key that was revoked, is no member's or is a node's, and for a role that is not enough.
    """
    found = refuse_revoked(connection, sealed.node)
    if caller().role == "owner":
        return "owner"
    short = f"key {sealed.node[:12]}…"
    if found is None:
        raise Refusal(f"{short} belongs to no member of this registry; sign with the key that you joined with")
    if found.kind != "device":
        raise Refusal(f"{short} is the key of a node, which decides nothing; sign with the key of your device")
    if not includes(found.role, least):
        raise Refusal(f"this needs the role {least}, and {found.name} is a {found.role}; ask a maintainer")
    return found.role


def refuse_work_of_others(connection: Connection, signer: str, maker: str | None, what: str) -> None:
    """Refuse that a person takes back the work of another person, unless a maintainer calls.

    Args:
        connection: the database's.
        signer: the key that signed the change.
        maker: the key that made the work; None for work of the registry itself.
        what: the work in words, for the sentence.

    Raises:
        Forbidden: for a contributor who takes back the work of another one.
    """
    if caller().may("maintainer"):
        return
    if maker is None or not same_person(connection, signer, maker):
        raise Forbidden(f"{what} is not yours; ask a maintainer")


def refuse_higher_role(role: MemberRole, wanted: MemberRole) -> None:
    """Refuse to give a role, or to change a member who has it, where it is higher than the signer's own.

    Raises:
        Refusal: when it is.
    """
    if not includes(role, wanted):
        raise Refusal(f"a {role} cannot give or take the role {wanted}, which is more; ask somebody who has it")
