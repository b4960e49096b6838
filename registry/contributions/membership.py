"""Offers and leases in the database. Both expire by themselves; times are the registry's.

Both are sealed by the node's key. A record that is older than the latest one of its node has no effect, so a replayed
record takes, holds, frees or ends nothing. A lease names the holding that its question is bound to, and only leases of
nodes that offer this holding keep each other out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, insert, or_, select, update

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.dialect import PROTOCOL, disagreement
from ratatouille.exchange.membership import DEVICES, Lease, LeaseReturn, Offer, OfferWithdrawal, activity, owners
from ratatouille.exchange.signing import R, Sealed, unseal
from ratatouille.tasks.holding import Holding
from registry.caller import caller
from registry.contributions.entitlements import end_holdings, enter_holdings, held_by, refuse_own_review
from registry.ledger.answers import is_answered
from registry.ledger.event_log import record_event
from registry.ledger.members.standing import refuse_revoked
from registry.ledger.signed_changes import check_follows, refuse_closed
from registry.lists import MOST_ROWS, PAGE_CHARACTERS, chunks, readable
from registry.records import Holder
from registry.schema import HoldingRow, KeyRow, LeaseRow, MemberRow, OfferRow
from registry.settings import read_settings

LONGEST_OFFER_SECONDS = 3600.0
LARGEST_OFFER = 2**20
"""Characters; each reader of the offers reads them all."""
LARGE_OFFER = 2**16
"""Offers with more characters fill three eighths of the room at most, so that nodes with little data find some."""
MOST_LEASES = 10_000
"""Live ones; each reader of the leases reads them all."""
NODE_LEASES = 64
"""Live ones of one node; it works on a few questions at a time."""
NODE_ENTITLEMENTS = 1000
"""Leases of one node that are remembered after their end, since they entitle to a late push."""
FORGET_LEASES_SECONDS = 90 * 24 * 3600.0

_WHO: BindParameter[Any] = bindparam("who")
_QUESTION = LeaseRow.work_id == bindparam("question")
_OF_NODE = LeaseRow.node == _WHO
_SAME_DATA = LeaseRow.fingerprint == bindparam("fingerprint")
_HOLDERS = (
    select(
        HoldingRow.node,
        HoldingRow.fingerprint,
        HoldingRow.record,
        HoldingRow.until,
        OfferRow.name,
        or_(KeyRow.state == "revoked", MemberRow.state == "revoked").label("revoked"),
    )
    .join(OfferRow, OfferRow.node == HoldingRow.node)
    .outerjoin(KeyRow, KeyRow.key == HoldingRow.node)
    .outerjoin(MemberRow, MemberRow.id == KeyRow.member)
    .where(HoldingRow.fingerprint.in_(bindparam("fingerprints", expanding=True)))
    .order_by(OfferRow.name, HoldingRow.node, HoldingRow.fingerprint)
    .limit(MOST_ROWS)
)
_HOLDER = select(LeaseRow.node).where(_QUESTION, _SAME_DATA, LeaseRow.expires > bindparam("now"))
_OTHER = _HOLDER.where(LeaseRow.node != _WHO).limit(1)
_LEASE = select(LeaseRow.node).where(_QUESTION, _OF_NODE, _SAME_DATA, LeaseRow.released.is_(None))
_MINE = select(LeaseRow.issued, LeaseRow.expires).where(_QUESTION, _OF_NODE)
_RENEW = (
    update(LeaseRow)
    .where(LeaseRow.work_id == bindparam("question"), LeaseRow.node == bindparam("who"))
    .values({name: bindparam(f"new_{name}") for name in ("expires", "record", "fingerprint", "issued", "released")})
)
_GIVE_BACK = update(LeaseRow).where(_QUESTION, _OF_NODE).values(expires=bindparam("ends"), released=bindparam("ends"))


def read_sealed(sealed: Sealed, kind: type[R]) -> R:
    """What a node signed of itself, checked without the database.

    Raises:
        Refusal: for a wrong signature, what is about another node, or one of absurd length.
    """
    what = kind.__name__.lower()
    if len(sealed.body) > LARGEST_OFFER:
        raise Refusal(f"the {what} has {len(sealed.body)} characters; this registry takes {LARGEST_OFFER}")
    record = unseal(sealed, kind)
    node = str(getattr(record, "node", ""))
    if node != sealed.node:
        raise Refusal(f"the {what} of node {node[:12]}… is signed by another key, {sealed.node[:12]}…")
    return record


def read_offer(sealed: Sealed) -> tuple[Offer, tuple[str, ...]]:
    """The offer inside and the keys of its holdings, checked without the database.

    Raises:
        Refusal: as `read_sealed`; for another protocol, and for data that the node does not prove to have.
    """
    offer = read_sealed(sealed, Offer)
    if offer.device not in DEVICES:  # no text of a node's own is kept
        raise Refusal(f"the offer's device is none of {', '.join(DEVICES)}; join with this release's node")
    if offer.protocol != PROTOCOL:
        raise Refusal(disagreement(offer.protocol, "the node", "the registry"))
    return offer, owners(offer)


def enter_offer(connection: Connection, sealed: Sealed, offer: Offer, proved: tuple[str, ...]) -> None:
    """Replace a node's offer; the very same one that stands changes nothing.

    It stands for `offer.seconds` after its arrival: a node's clock may be wrong, and may be put right.

    Raises:
        Refusal: for data that another key owns, and for a key that was revoked.
        Unreachable: when there are too many offers, or a later one is known.
    """
    refuse_revoked(connection, offer.node)
    now, text = time.time(), sealed.to_json().decode()
    query = select(OfferRow.issued, OfferRow.expires, OfferRow.sealed).where(OfferRow.node == offer.node)
    last = connection.execute(query).first()
    stood = last is not None and last.expires > now
    if last is not None:
        if stood and last.sealed == text:
            return
        check_follows("offer", offer.node, offer.issued, last.issued, now)
    if last is None or not stood or len(last.sealed) < len(text):
        _check_room(connection, offer.node, len(text), now)
    expires = now + min(offer.seconds, LONGEST_OFFER_SECONDS)
    enter_holdings(connection, offer, proved, expires)
    values = {"name": offer.name, "sealed": text, "issued": offer.issued, "expires": expires, "peer": caller().peer}
    if last is None:
        connection.execute(insert(OfferRow).values(node=offer.node, **values))
    else:
        connection.execute(update(OfferRow).where(OfferRow.node == offer.node).values(**values))
    if not stood:
        held = ", ".join(sorted({holding.task_name for holding in offer.holdings})) or "no data"
        record_event(connection, "offer", offer.node, f"{offer.name} joined with {held}")


def _check_room(connection: Connection, node: str, size: int, now: float) -> None:
    """Check that an offer fits: the large ones, and those of one peer, leave room to others."""
    length = func.length(OfferRow.sealed)
    others = (OfferRow.expires > now, OfferRow.node != node)
    taken = select(func.coalesce(func.sum(length), 0)).where(*others)
    shares = [("the offers that stand", taken, PAGE_CHARACTERS)]
    own = taken.where(OfferRow.peer == caller().peer)
    shares += [("the offers from where this one comes", own, PAGE_CHARACTERS // 2)]
    if size > LARGE_OFFER:
        shares += [("the large offers that stand", taken.where(length > LARGE_OFFER), 3 * PAGE_CHARACTERS // 8)]
    for what, query, most in shares:
        found = connection.execute(query).scalar_one()
        if found + size > most:
            raise Unreachable(
                f"{what} have {found} characters together, and {most} are the most; try again when a node has left"
            )


def withdraw_offer(connection: Connection, withdrawal: OfferWithdrawal) -> None:
    """End a node's offer, since the node has left; its name is kept, and its earlier records have no effect any more.

    Raises:
        Unreachable: when a later offer is known.
    """
    now, node = time.time(), withdrawal.node
    query = select(OfferRow.name, OfferRow.issued).where(OfferRow.node == node, OfferRow.expires > now)
    last = connection.execute(query).first()
    if last is not None:
        check_follows("withdrawal", node, withdrawal.issued, last.issued, now)
        values = {"expires": now, "issued": withdrawal.issued}
        connection.execute(update(OfferRow).where(OfferRow.node == node).values(**values))
        end_holdings(connection, node, now)
        record_event(connection, "offer", node, f"{last.name} left")


def offers(connection: Connection) -> list[Offer]:
    """The offers that stand now, by name."""
    query = select(OfferRow.sealed).where(OfferRow.expires > time.time()).order_by(OfferRow.name, OfferRow.node)
    sealed = connection.execute(query).scalars()
    return list(readable("offers", sealed, lambda one: Offer.from_json(Sealed.from_json(one).body)))


def holders(connection: Connection, fingerprints: Sequence[str]) -> list[Holder]:
    """The nodes that offer these holdings now, or did before, by name; of very many the first."""
    now, found = time.time(), list[Holder]()
    for some in chunks(fingerprints):
        for row in connection.execute(_HOLDERS, {"fingerprints": some}):
            holding = Holding.from_json(row.record)
            here = row.until > now
            values = {"node": row.node, "name": row.name, "fingerprint": row.fingerprint, "here": here}
            values |= {"task_name": holding.task_name, "revoked": bool(row.revoked)}
            found.append(Holder.model_validate(values))
    return found[:MOST_ROWS]


def take_lease(connection: Connection, lease: Lease) -> Lease | None:
    """Take or renew a lease; None if another node holds a live one or the question has an answer.

    Raises:
        Refusal: for no data, a closed question, a revoked key, and the maker's own version that another can count.
        Unreachable: when the node does not offer that data, when there are too many, or a later one is known.
    """
    now = time.time()
    if lease.task is None or lease.fingerprint is None:
        raise Refusal("this lease does not say which data its question is about; upgrade the node")
    if held_by(connection, lease.node, lease.fingerprint, lease.task, now) is None:
        raise not_offered(lease.node, lease.fingerprint)
    refuse_revoked(connection, lease.node)
    refuse_closed(connection, lease.work_id, lease.node)
    refuse_own_review(connection, lease.about, lease.node, lease.fingerprint, lease.task, now)
    question = {"question": lease.work_id, "who": lease.node}
    if other_holder(connection, lease.work_id, lease.node, lease.fingerprint, now) is not None:
        return None
    if is_answered(connection, lease.work_id):
        return None
    mine = connection.execute(_MINE, question).first()
    if mine is not None:
        check_follows("lease", lease.node, lease.issued, mine.issued, now)
    if mine is None or mine.expires <= now:
        _check_leases(connection, lease.node, now)
    seconds = min(lease.seconds, read_settings(connection).longest_lease_seconds)
    granted = lease.model_copy(update={"expires": now + seconds, "doing": activity(lease.doing)})
    values = {
        "expires": granted.expires,
        "record": granted.to_json().decode(),
        "fingerprint": lease.fingerprint,
        "issued": lease.issued,
        "released": None,
    }
    if mine is None:
        connection.execute(insert(LeaseRow).values(work_id=lease.work_id, node=lease.node, **values))
        _forget_leases(connection, lease.node, now)
    else:
        connection.execute(_RENEW, question | {f"new_{name}": value for name, value in values.items()})
    return granted


def not_offered(node: str, fingerprint: str) -> Unreachable:
    """The error for a node that would work on data that it does not offer."""
    return Unreachable(
        f"node {node[:12]}… does not offer the data of this work (fingerprint {fingerprint[:12]}…), and did not "
        "lately; it may once its offer stands"
    )


def _check_leases(connection: Connection, node: str, now: float) -> None:
    live = select(func.count()).select_from(LeaseRow).where(LeaseRow.expires > now)
    if connection.execute(live).scalar_one() >= MOST_LEASES:
        raise Unreachable(f"{MOST_LEASES} leases are held, which are the most; try again when some have ended")
    if connection.execute(live.where(LeaseRow.node == node)).scalar_one() >= NODE_LEASES:
        raise Unreachable(
            f"node {node[:12]}… holds {NODE_LEASES} leases, which are the most for one; give some back first"
        )


def _forget_leases(connection: Connection, node: str, now: float) -> None:
    """Remove entitlements that are very old, and the oldest of a node that has very many."""
    ends = select(LeaseRow.expires).where(LeaseRow.node == node).order_by(LeaseRow.expires.desc())
    oldest = connection.execute(ends.offset(NODE_ENTITLEMENTS).limit(1)).scalar()
    too_old = [LeaseRow.expires < now - FORGET_LEASES_SECONDS]
    if oldest is not None:
        too_old += [(LeaseRow.node == node) & (LeaseRow.expires <= min(oldest, now))]
    connection.execute(delete(LeaseRow).where(or_(*too_old)))


def other_holder(connection: Connection, work_id: str, node: str, fingerprint: str, now: float) -> str | None:
    """Another node with the live lease on a question, by leases on this holding only."""
    values = {"question": work_id, "who": node, "fingerprint": fingerprint, "now": now}
    return connection.execute(_OTHER, values).scalar()


def had_lease(connection: Connection, work_id: str, node: str, fingerprint: str) -> bool:
    """Whether this node holds a lease on the question, or held one that expired and was not given back."""
    values = {"question": work_id, "who": node, "fingerprint": fingerprint}
    return connection.execute(_LEASE, values).first() is not None


def return_lease(connection: Connection, given: LeaseReturn) -> None:
    """End a lease, because its node gives it back.

    Raises:
        Unreachable: when the node has signed a later lease.
    """
    now = time.time()
    mine = connection.execute(_MINE, {"question": given.work_id, "who": given.node}).first()
    if mine is None:
        return
    check_follows("return of a lease", given.node, given.issued, mine.issued, now)
    release_lease(connection, given.work_id, given.node)
    of_mine = (LeaseRow.work_id == given.work_id, LeaseRow.node == given.node)
    connection.execute(update(LeaseRow).where(*of_mine).values(issued=given.issued))


def release_lease(connection: Connection, work_id: str, node: str) -> None:
    """End a lease, because its question was answered or its node gives it back; what was signed before stays known."""
    connection.execute(_GIVE_BACK, {"question": work_id, "who": node, "ends": time.time()})


def leases(connection: Connection) -> list[Lease]:
    """The live leases, those that expire first at the front."""
    query = select(LeaseRow.record).where(LeaseRow.expires > time.time()).order_by(LeaseRow.expires, LeaseRow.work_id)
    return list(readable("leases", connection.execute(query).scalars(), Lease.from_json))
