"""Entry of node keys by a device key, and rotation of a device key.

The new key signs too, so that nobody enters a key that they do not have.
"""

from __future__ import annotations

import re
import time

from sqlalchemy import Connection, delete, insert, select, update

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import EndedFlowerKey, KeyProof, NodeKey, Rotate
from ratatouille.exchange.signing import Sealed, unseal
from registry.caller import caller, includes
from registry.ledger.members.changes import check_change, keep
from registry.ledger.members.invitations import end_flower_keys, enter_key, refuse_too_many_keys
from registry.ledger.members.queries import find_member, member_record
from registry.ledger.members.standing import KeyStanding, refuse_revoked, standing_of
from registry.ledger.signed_changes import known_change
from registry.records import Membership
from registry.schema import KeyRow, MemberRow, SessionRow


def add_node(connection: Connection, sealed: Sealed, change: NodeKey, proof: Sealed) -> Membership:
    """Enter a node's key, or its new key for Flower; the very same again changes nothing.

    Raises:
        EndedFlowerKey: for a key for Flower that ended.
        Refusal: for a signer who is no member or may not work, a key that is another's, and a proof that is none.
    """
    who = _signer(connection, sealed, change)
    if known_change(connection, sealed) is not None:
        return member_record(connection, who.member).membership
    check_change(connection, change)
    if not includes(who.role, "contributor"):
        raise Refusal(f"{who.name} is a reader, whose nodes do not work; ask a maintainer for the role contributor")
    _check_proof(change, sealed, proof)
    _refuse_taken_flower_key(connection, change)
    found = standing_of(connection, change.key)
    if found is None:
        refuse_too_many_keys(connection, who.member)
        keep(connection, sealed, change, f"node {change.name} of {who.name} entered")
        more = {"device": sealed.node, "flower": change.flower}
        enter_key(connection, change.key, who.member, "node", change.name, **more)
        return member_record(connection, who.member).membership
    if found.member != who.member or found.kind != "node":
        raise Refusal(f"key {change.key[:12]}… is entered already, and not as a node of {who.name}; make a new key")
    refuse_revoked(connection, change.key)
    row = connection.execute(select(KeyRow).where(KeyRow.key == change.key)).one()
    values = {"name": change.name, "flower": change.flower, "device": sealed.node}
    if any(getattr(row, name) != value for name, value in values.items()):
        keep(connection, sealed, change, f"node {change.name} of {who.name} entered anew")
        if row.flower != change.flower:
            end_flower_keys(connection, [change.key])
        mine = update(KeyRow).where(KeyRow.key == change.key)
        connection.execute(mine.values(**values, changed=time.time()))
    return member_record(connection, who.member).membership


def rotate(connection: Connection, sealed: Sealed, change: Rotate, proof: Sealed) -> Membership:
    """Replace the signer's device key by a new one, which also takes over the node keys that the old one entered.

    Raises:
        Refusal: for a signer that is no live device key, a new key that is entered already, and a proof that is none.
    """
    old, new = standing_of(connection, sealed.node), standing_of(connection, change.key)
    if old is not None and new is not None and old.state == "replaced" and new.member == old.member and new.live:
        return member_record(connection, new.member).membership  # its acknowledgement was lost
    check_change(connection, change)
    refuse_revoked(connection, sealed.node)
    if old is None or old.kind != "device":
        raise Refusal(f"key {sealed.node[:12]}… is no device key of a member; only these are rotated")
    if new is not None:
        raise Refusal(f"key {change.key[:12]}… is entered already; rotate to a new key")
    _check_proof(change, sealed, proof)
    refuse_too_many_keys(connection, old.member)
    keep(connection, sealed, change, f"{old.name} replaced key {sealed.node[:12]}… by {change.key[:12]}…")
    mine = select(KeyRow.name).where(KeyRow.key == sealed.node)
    name = str(connection.execute(mine).scalar_one())
    replaced = update(KeyRow).where(KeyRow.key == sealed.node)
    connection.execute(replaced.values(state="replaced", changed=time.time()))
    enter_key(connection, change.key, old.member, "device", name, replaces=sealed.node)
    connection.execute(update(KeyRow).where(KeyRow.device == sealed.node).values(device=change.key))
    connection.execute(delete(SessionRow).where(SessionRow.key == sealed.node))
    return member_record(connection, old.member).membership


def _signer(connection: Connection, sealed: Sealed, change: NodeKey) -> KeyStanding:
    """The device key that enters a node. The owner of the machine becomes a member here where they are none yet."""
    found = refuse_revoked(connection, sealed.node)
    if found is None:
        if caller().role != "owner":
            raise Refusal(f"key {sealed.node[:12]}… belongs to no member of this registry; join by an invitation first")
        _enter_owner(connection, sealed.node, change.author)
        found = standing_of(connection, sealed.node)
        assert found is not None
    if found.kind != "device":
        raise Refusal(f"key {sealed.node[:12]}… is a node's, which enters no other; sign with the key of your device")
    return found


def _enter_owner(connection: Connection, key: str, called: str) -> None:
    name = re.sub(r"[^A-Za-z0-9._-]", "", called).lstrip("._-")[:40] or key[:10]
    try:
        find_member(connection, name)
    except Refusal:
        pass
    else:
        name = f"{name}-{key[:8]}"
    now = time.time()
    row = {"id": key, "name": name, "role": "owner", "state": "active", "invitation": None}
    connection.execute(insert(MemberRow).values(**row, created=now, changed=now))
    enter_key(connection, key, key, "device", name)


def _check_proof(change: NodeKey | Rotate, sealed: Sealed, proof: Sealed) -> None:
    """Check that the key that is entered signed that it belongs to the one that enters it."""
    said = unseal(proof, KeyProof)
    expected = KeyProof(registry=change.registry, device=sealed.node)
    if proof.node != change.key or said != expected:
        raise Refusal(f"key {change.key[:12]}… did not sign that it belongs to key {sealed.node[:12]}…; join again")


def _refuse_taken_flower_key(connection: Connection, change: NodeKey) -> None:
    """Refuse a Flower key that another node has, or that ended."""
    if change.flower is None:
        return
    other = select(KeyRow.key).where(KeyRow.flower == change.flower, KeyRow.key != change.key)
    if connection.execute(other).first() is not None:
        raise Refusal(f"another node shows the same key to Flower as {change.name}; make one of its own")
    if connection.execute(select(KeyRow.key).where(KeyRow.ended_flower == change.flower)).first() is not None:
        raise EndedFlowerKey(f"the key that {change.name} shows to Flower has ended, and Flower never takes it again")
