"""A node's answer to "who are you" holds for one Flower node in one run."""

from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.order import Introduction, introduce, introduced
from ratatouille.exchange.signing import Signer


def test_an_introduction_gives_the_key_of_who_signed_it(tmp_path: Path) -> None:
    signer = Signer.open(tmp_path / "key")
    assert introduced(introduce(signer, 2**63 + 5, 2**64 - 1), 2**63 + 5, 2**64 - 1) == signer.node


@pytest.mark.parametrize(("node", "run"), [(1, 3), (2, 2)])
def test_an_answer_meant_for_another_node_or_run_introduces_nobody(tmp_path: Path, node: int, run: int) -> None:
    with pytest.raises(Refusal, match="another occasion"):
        introduced(introduce(Signer.open(tmp_path / "key"), 1, 2), node, run)


def test_a_node_that_speaks_another_protocol_is_told_what_to_install(tmp_path: Path) -> None:
    sealed = Signer.open(tmp_path / "key").seal(Introduction(flower_node=1, run=2, protocol=99))
    with pytest.raises(Refusal, match=r"speaks protocol 99.*upgrade this coordinator: pip install --upgrade"):
        introduced(sealed.to_json(), 1, 2)


def test_a_stolen_key_number_without_the_key_is_refused(tmp_path: Path) -> None:
    sealed = Signer.open(tmp_path / "mine").seal(Introduction(flower_node=1, run=2))
    claimed = sealed.model_copy(update={"node": Signer.open(tmp_path / "yours").node})
    with pytest.raises(Refusal, match="signature"):
        introduced(claimed.to_json(), 1, 2)
