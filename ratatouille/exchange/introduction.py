"""Introductions: a signed statement by which a Flower node says which of our nodes it is.

Flower gives a node a number of its own at every start and knows nothing of our keys. So the coordinator asks, and the
node answers with this record, sealed by its key. It names the Flower node and the run it speaks for, so that an answer
copied from another node, or from an earlier run, introduces nobody.
"""

from __future__ import annotations

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import PROTOCOL, disagreement
from ratatouille.exchange.signing import Sealed, Signer, unseal
from ratatouille.record import Record


class Introduction(Record):
    """I, who sign this, am this Flower node in this run."""

    flower_node: int
    run: int
    protocol: int = PROTOCOL


def introduce(signer: Signer, flower_node: int, run: int) -> bytes:
    """The sealed introduction, as it is sent."""
    return signer.seal(Introduction(flower_node=flower_node, run=run)).to_json()


def introduced(data: bytes, flower_node: int, run: int) -> str:
    """The key of the node that introduced itself.

    Raises:
        Refusal: for a wrong signature, an answer for another node or run, or a node that speaks another protocol.
    """
    sealed = Sealed.from_json(data)
    said = unseal(sealed, Introduction)
    if (said.flower_node, said.run) != (flower_node, run):
        raise Refusal(f"node {sealed.node[:12]}… introduced itself with an answer that was meant for another occasion")
    if said.protocol != PROTOCOL:
        raise Refusal(
            disagreement(said.protocol, f"node {sealed.node[:12]}…", "this coordinator"),
            code="other-release",
            number=max(0, said.protocol),
        )
    return sealed.node
