"""What nodes say of themselves has no room for words."""

import pytest

from ratatouille.exchange.membership import Offer, Parked, activity
from ratatouille.failure import Failure


@pytest.mark.parametrize(
    "text", ["fetching", "reading images", "training, loss 0.123", "warm-up, loss nan", "pushing", "comparing networks"]
)
def test_what_nodes_do_is_said_as_it_is(text: str) -> None:
    assert activity(text) == text


@pytest.mark.parametrize(
    "text", ["", "reading /home/anna/smith.png", "training, loss smith", "fetching\n", "training, loss 0.1234"]
)
def test_no_other_text_is_kept(text: str) -> None:
    assert activity(text) == ""


def test_an_offer_of_which_nothing_is_parked_has_the_bytes_that_it_always_had() -> None:
    offer = Offer(node="0" * 64, name="anna", holdings=(), issued=0.0)
    assert b"parked" not in offer.to_json()
    parked = offer.model_copy(update={"parked": (Parked(failure=Failure(code="disk-full"), seconds=600.0),)})
    assert Offer.from_json(parked.to_json()) == parked
