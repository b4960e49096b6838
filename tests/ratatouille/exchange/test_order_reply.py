"""A node's reply holds for one message with one order."""

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.order import Introduction, seal_reply, unseal_reply
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.failure import Failure

SIGNER, OTHER = Signer.of_seed(b"1" * 32), Signer.of_seed(b"2" * 32)
DISK = Failure(code="disk-full")
SEALED = seal_reply(SIGNER, "message", b"order", DISK)


def test_a_reply_has_the_hint_or_the_failure_that_was_sealed() -> None:
    reply = unseal_reply(SEALED, SIGNER.node, "message", b"order")
    assert (reply.hint, reply.failure) == (None, DISK)
    hint = unseal_reply(seal_reply(SIGNER, "message", b"order", b"{}"), SIGNER.node, "message", b"order")
    assert (hint.hint, hint.failure) == ("{}", None)


@pytest.mark.parametrize(
    ("sent", "key", "message", "order", "reason"),
    [
        (SEALED, OTHER.node, "message", b"order", "another key"),
        (SEALED, SIGNER.node, "later", b"order", "for another order"),
        (SEALED, SIGNER.node, "message", b"other", "for another order"),
        (SEALED, "", "message", b"order", "another key"),
        (DISK.to_json(), SIGNER.node, "message", b"order", "no signature of the node.*pip install --upgrade"),
        (SEALED.replace(b"disk-full", b"disk-slow"), SIGNER.node, "message", b"order", "signature does not fit"),
    ],
)
def test_what_the_node_did_not_seal_for_this_message_is_refused_with_the_reason(
    sent: bytes, key: str, message: str, order: bytes, reason: str
) -> None:
    with pytest.raises(Refusal, match=reason):
        unseal_reply(sent, key, message, order)


def test_something_else_that_the_node_sealed_is_no_reply() -> None:
    sealed = SIGNER.seal(Introduction(flower_node=1, run=2))
    with pytest.raises(Refusal, match="signature does not fit"):
        unseal_reply(sealed.to_json(), SIGNER.node, "message", b"order")


def test_a_refusal_repeats_nothing_of_what_came() -> None:
    sealed = Sealed.from_json(SEALED).model_copy(update={"body": "/home/anna"}).to_json()
    for sent in (b"/home/anna", sealed):
        with pytest.raises(Refusal) as caught:
            unseal_reply(sent, SIGNER.node, "message", b"order")
        assert "anna" not in str(caught.value)
