"""Who is there and who works on what: offers and leases. Both expire by themselves; times are the registry's."""

from __future__ import annotations

import time

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.dialect import PROTOCOL, disagreement
from ratatouille.exchange.membership import DEVICES, Lease, Offer, activity
from ratatouille.exchange.signing import Sealed, unseal
from registry.changes.closures import refuse_closed
from registry.contributions.answers import is_answered
from registry.history.chronicle import record_event
from registry.pages import PAGE_CHARACTERS
from registry.schema import LeaseRow, OfferRow
from registry.settings import read_settings

LONGEST_OFFER_SECONDS = 24 * 3600.0
LARGEST_OFFER = 2**20
"""Characters; whoever looks at the offers reads them all."""
MOST_LEASES = 10_000
"""Live ones: whoever looks at the leases reads them all."""
FORGET_LEASES_SECONDS = 90 * 24 * 3600.0

_QUESTION = LeaseRow.work_id == bindparam("question")
_OF_NODE = LeaseRow.node == bindparam("who")
_HOLDER = select(LeaseRow.node).where(_QUESTION, LeaseRow.expires > bindparam("now")).limit(1)
_LEASE = select(LeaseRow.node).where(_QUESTION, _OF_NODE)
_GIVE_BACK = delete(LeaseRow).where(_QUESTION, _OF_NODE)


def read_offer(sealed: Sealed) -> Offer:
    """The offer inside, checked without the database.

    Raises:
        Refusal: for a wrong signature, another node's offer, another protocol, or one of absurd length.
    """
    if len(sealed.body) > LARGEST_OFFER:
        raise Refusal(f"the offer has {len(sealed.body)} characters; this registry takes {LARGEST_OFFER}")
    offer = unseal(sealed, Offer)
    if offer.node != sealed.node:
        raise Refusal(f"the offer of node {offer.node[:12]}… is signed by another key, {sealed.node[:12]}…")
    if offer.device not in DEVICES:  # no text of a node's own is kept
        raise Refusal(f"the offer's device is none of {', '.join(DEVICES)}; join with this release's node")
    if offer.protocol != PROTOCOL:
        raise Refusal(disagreement(offer.protocol, "the node", "the registry"))
    return offer


def enter_offer(connection: Connection, sealed: Sealed, offer: Offer) -> None:
    """Replace a node's offer, unless a later one stands.

    It stands for `offer.seconds` after its arrival: a node's clock may be wrong, and may be put right.

    Raises:
        Unreachable: when there are too many.
    """
    now, text = time.time(), sealed.to_json().decode()
    size = func.length(OfferRow.sealed)
    query = select(OfferRow.issued, OfferRow.expires, size.label("size")).where(OfferRow.node == offer.node)
    last = connection.execute(query).first()
    if last is not None and last.issued > offer.issued and last.expires > now:
        return
    if last is None or last.expires <= now or last.size < len(text):
        others = (OfferRow.expires > now, OfferRow.node != offer.node)
        taken = connection.execute(select(func.coalesce(func.sum(size), 0)).where(*others)).scalar_one()
        if taken + len(text) > PAGE_CHARACTERS:
            raise Unreachable(
                f"the offers that stand have {taken} characters together, and {PAGE_CHARACTERS} are the most; "
                "try again when a node has left"
            )
    values = {
        "name": offer.name,
        "sealed": text,
        "issued": offer.issued,
        "expires": now + min(offer.seconds, LONGEST_OFFER_SECONDS),
    }
    if last is None:
        connection.execute(insert(OfferRow).values(node=offer.node, **values))
    else:
        connection.execute(update(OfferRow).where(OfferRow.node == offer.node).values(**values))
    if last is None or last.expires <= now:
        held = ", ".join(sorted({holding.task_name for holding in offer.holdings})) or "no data"
        record_event(connection, "offer", offer.node, f"{offer.name} joined with {held}")


def withdraw_offer(connection: Connection, node: str) -> None:
    """The node has left; its name is kept."""
    now = time.time()
    name = connection.execute(select(OfferRow.name).where(OfferRow.node == node, OfferRow.expires > now)).scalar()
    if name is not None:
        connection.execute(update(OfferRow).where(OfferRow.node == node).values(expires=now))
        record_event(connection, "offer", node, f"{name} left")


def offers(connection: Connection) -> list[Offer]:
    """The offers that stand now, by name."""
    query = select(OfferRow.sealed).where(OfferRow.expires > time.time()).order_by(OfferRow.name, OfferRow.node)
    return [Offer.from_json(Sealed.from_json(sealed).body) for sealed in connection.execute(query).scalars()]


def take_lease(connection: Connection, lease: Lease) -> Lease | None:
    """Take or renew a lease; None if another node holds a live one or the question has an answer.

    Raises:
        Refusal: for a question that the node has closed.
        Unreachable: when there are too many.
    """
    now = time.time()
    refuse_closed(connection, lease.work_id, lease.node)
    if holder(connection, lease.work_id, now) not in (None, lease.node) or is_answered(connection, lease.work_id):
        return None
    seconds = min(lease.seconds, read_settings(connection).longest_lease_seconds)
    granted = lease.model_copy(update={"expires": now + seconds, "doing": activity(lease.doing)})
    values = {"expires": granted.expires, "record": granted.to_json().decode()}
    mine = (LeaseRow.work_id == lease.work_id, LeaseRow.node == lease.node)
    if connection.execute(update(LeaseRow).where(*mine).values(**values)).rowcount == 0:
        live = select(func.count()).select_from(LeaseRow).where(LeaseRow.expires > now)
        if connection.execute(live).scalar_one() >= MOST_LEASES:
            raise Unreachable(f"{MOST_LEASES} leases are held, which are the most; try again when some have ended")
        connection.execute(insert(LeaseRow).values(work_id=lease.work_id, node=lease.node, **values))
        connection.execute(delete(LeaseRow).where(LeaseRow.expires < now - FORGET_LEASES_SECONDS))
    return granted


def holder(connection: Connection, work_id: str, now: float) -> str | None:
    """The node with the live lease on a question."""
    return connection.execute(_HOLDER, {"question": work_id, "now": now}).scalar()


def had_lease(connection: Connection, work_id: str, node: str) -> bool:
    """Whether this node holds a lease on the question, or held one that expired and was not given back."""
    return connection.execute(_LEASE, {"question": work_id, "who": node}).first() is not None


def release_lease(connection: Connection, work_id: str, node: str) -> None:
    """Give a lease back."""
    connection.execute(_GIVE_BACK, {"question": work_id, "who": node})


def leases(connection: Connection) -> list[Lease]:
    """The live leases, those that expire first at the front."""
    query = select(LeaseRow.record).where(LeaseRow.expires > time.time()).order_by(LeaseRow.expires, LeaseRow.work_id)
    return [Lease.from_json(record) for record in connection.execute(query).scalars()]
