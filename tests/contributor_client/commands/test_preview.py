"""`node preview`: the receipt of an order before any work, and the one that was sent last."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contributor_client.preview import PLACEHOLDER, AnsweringNode, preview_of
from ratatouille.exchange.assignment import Cell, Compare, Mixture, NodeAssignment, Weighted
from ratatouille.exchange.leaving import MEANINGS
from ratatouille.exchange.order import Order, seal_order
from ratatouille.exchange.receipt import Disclosure, Receipt, disclosed
from ratatouille.exchange.signing import Signer
from ratatouille.outbox import OUTBOX, Outbox
from ratatouille.recipes.plan import plan
from ratatouille.recipes.round import HoldingShare, Start
from ratatouille.training.outcome import receipt_of
from registry.records import RoundRecord
from registry.services.local import LocalRegistry
from tests.contributor_client.pantry import Pantry
from tests.ratatouille.cli.call import call
from tests.ratatouille.recipes.simulation import a_round

CELLS = (Cell(domain="day", split="test"), Cell(domain="night", split="all"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def node(home: Path, pantry: Pantry) -> Signer:
    """The pantry's node, as the home folder has it."""
    place = home / "nodes" / "anna"
    place.mkdir(parents=True)
    shutil.copy(pantry.registry.folder.parent / "key", place / "key")
    return Signer.open(place / "key")


def questions(pantry: Pantry) -> list[NodeAssignment]:
    setup = pantry.setup
    mixture = Mixture(
        featurizer=(Weighted(part=setup.digests["featurizer"]),), head=(Weighted(part=setup.digests["head"]),)
    )
    return [setup.probe(), setup.fine_tune(), setup.evaluate(*CELLS), setup.compare(mixture, mixture, pairs=True)]


@pytest.mark.parametrize("number", range(4))
def test_a_preview_is_the_receipt_but_for_what_only_the_work_can_tell(
    pantry: Pantry, tmp_path: Path, number: int
) -> None:
    assignment, node = questions(pantry)[number], "a" * 64
    order = Order(round="spring", assignment=assignment, parents=("b" * 64,), label="soup run 1 of 3")
    disclosure = Disclosure(smallest=5)
    made = pantry.setup.perform(assignment, tmp_path / "work")
    real = disclosed(receipt_of(order, made, node, 1.0), disclosure)
    found = preview_of(order, AnsweringNode(node, [pantry.setup.data.holding], disclosure), pantry.registry)
    fields = {one.field: one for one in found.fields}
    assert [one for one in fields if "." not in one] == list(MEANINGS[Receipt])
    values = real.model_dump(mode="json")
    assert not found.sent
    for name, one in fields.items():
        assert len(one.means) > 5
        if "." not in name and not one.placeholder:
            assert one.value == values[name], name
    placeholders = {name for name, one in fields.items() if one.placeholder and "." not in name}
    assert placeholders >= {name for name in ("evaluations", "comparison", "curve") if values[name]}
    assert {"seconds", "overhead", "software", "device"} <= placeholders
    for name in ("evaluations", "curve"):
        assert len(fields[name].value) == len(values[name])
    assert sum(map(sum, (row for one in fields["evaluations"].value for row in one["confusion"]))) == sum(
        one.count for one in real.evaluations
    )
    if isinstance(assignment, Compare):
        assert len(fields["comparison"].value["pairs"]) == len(values["comparison"]["pairs"])
    assert sorted(one.bytes or 0 for one in found.weights) == sorted(
        path.stat().st_size for path in made.files.values()
    )
    assert all(one.sha256 == PLACEHOLDER and one.placeholder for one in found.weights)


def test_a_node_beyond_its_budget_would_send_no_counts(pantry: Pantry) -> None:
    order = Order(round="spring", assignment=pantry.setup.fine_tune())
    here = AnsweringNode("a" * 64, [pantry.setup.data.holding], Disclosure(counts=False))
    fields = {one.field: one for one in preview_of(order, here, pantry.registry).fields}
    assert (fields["evaluations"].value, fields["curve"].value) == ([], [])


def test_a_question_of_a_round_is_previewed_by_the_beginning_of_its_id(
    pantry: Pantry, node: Signer, tmp_path: Path
) -> None:
    shutil.copytree(pantry.registry.folder, tmp_path / "registry")
    setup, registry = pantry.setup, LocalRegistry(tmp_path / "registry")
    round = a_round("", ("linear_probe",)).model_copy(
        update={
            "task": setup.task.digest,
            "architecture": setup.architecture.digest,
            "foundation": Start(
                version=registry.versions.resolve("foundation"), featurizer=setup.digests["featurizer"]
            ),
            "training": (HoldingShare(fingerprint=setup.data.holding.fingerprint, domains=("day", "night")),),
        }
    )
    spec = round.to_json().decode()
    registry.rounds.request_round(
        RoundRecord(id=round.id, name="spring", spec=spec, state="requested", created=1.0, changed=1.0)
    )
    registry.close()
    ((work_id, order),) = plan(round, {}).orders.items()
    asked = ("--remote", tmp_path / "registry")
    found = call("node", "preview", work_id[:12], "--json", *asked).json
    assert (found["work_id"], found["kind"], found["sent"]) == (work_id, "probe", False)
    fields = {one["field"]: one for one in found["fields"]}
    assert fields["node"]["value"] == node.node
    assert fields["round"]["value"] == round.id
    signed = tmp_path / "order.json"
    signed.write_bytes(seal_order(Signer.open(tmp_path / "coordinator"), order))
    assert call("node", "preview", signed, "--json", *asked).json == found
    shown = call("node", "preview", work_id, *asked).out
    assert "placeholder" in shown
    assert "weights, head:" in shown
    call("node", "preview", "ffffffffffff", *asked).refused("no round of this registry asks a question")
    call("node", "preview", *asked).refused("say an order or --last")


def test_the_last_receipt_is_shown_as_it_was_sent(pantry: Pantry, node: Signer, home: Path, tmp_path: Path) -> None:
    call("node", "preview", "--last").refused("has sent no receipt yet")
    made = pantry.setup.perform(pantry.setup.fine_tune(), tmp_path / "work")
    receipt = receipt_of(Order(round="spring", assignment=pantry.setup.fine_tune()), made, node.node, 1.0)
    Outbox(home / "nodes" / "anna" / OUTBOX, "there").keep_receipt(node.seal(receipt).to_json())
    found = call("node", "preview", "--last", "--json").json
    assert found["sent"]
    assert not any(one["placeholder"] for one in found["fields"])
    assert {one["field"]: one["value"] for one in found["fields"] if "." not in one["field"]} == receipt.model_dump(
        mode="json"
    )
    assert found["bytes"] == len(node.seal(receipt).to_json())
    assert [one["sha256"] for one in found["weights"]] == [made.featurizer, made.head]
