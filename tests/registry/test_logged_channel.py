"""A node's connection: everything that it sends to a registry is in the node's log, and nothing that cannot be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from ratatouille.errors import Unreachable
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.outbox import Outbox, SentMessage, last_receipt, merge_repetitions, sent_messages
from registry.opening import open_registry
from registry.server import RegistryServer
from tests.registry.person import ADDRESS, Person
from tests.registry.tokens import token_of
from tests.registry.world import World


@contextmanager
def a_node(folder: Path, beginning: Path) -> Iterator[World]:
    """A world whose registry is reached as a node reaches it."""
    shutil.copytree(beginning, folder, dirs_exist_ok=True)
    service = RegistryServer(folder / "registry")
    service.start()
    with ExitStack() as stack:
        stack.callback(service.stop, grace=1)
        outbox = Outbox(folder / "outbox", service.address)
        registry = open_registry(service.address, folder / "cache", outbox=outbox)
        stack.enter_context(closing(registry))
        yield World(registry, folder / "files", Signer.open(folder / "node.key"))


def logged(folder: Path) -> dict[str, list[SentMessage]]:
    found: dict[str, list[SentMessage]] = {}
    for one in merge_repetitions(sent_messages(folder / "outbox")):
        found.setdefault(one.kind, []).append(one)
    return found


def test_everything_that_a_node_sends_is_logged_with_its_digest(tmp_path: Path, beginning: Path) -> None:
    with a_node(tmp_path, beginning) as world:
        for _ in range(3):
            world.offer()
        start = world.probed()
        receipt, files = world.fine_tune(start, 7)
        for _ in range(4):
            assert world.lease(receipt) is not None
        sealed = world.seal(receipt)
        made = world.registry.weights.push(sealed, files)
        counts = world.evaluation(made)
        world.work(counts, {})
        world.release(counts.work_id)
        world.maintainer.close_question(receipt.work_id, "no more")
        world.registry.weights.fetch(str(made.featurizer))
        world.leave()
    found = logged(tmp_path)
    assert [one.times for one in found["offer"]] == [3]
    assert [(one.about, one.times) for one in found["lease"]] == [(receipt.work_id, 4), (counts.work_id, 1)]
    *_, one = found["receipt"]
    assert (one.sha256, one.about) == (receipt.digest, receipt.work_id)
    assert one.bytes > len(sealed.body)
    weights = {one.sha256: one.bytes for one in found["weights"]}
    assert all(weights[digest] > path.stat().st_size for digest, path in files.items())
    assert [one.sha256 for one in found["counts"]] == [counts.digest]
    assert [one.about for one in found["closure"]] == [receipt.work_id]
    assert {"end of lease", "end of offer"} <= found.keys()
    assert {"results", "fetch"} <= {one.about for one in found["question"]}
    assert len({one.to for kind in found.values() for one in kind}) == 1
    kept = last_receipt(tmp_path / "outbox")
    assert kept is not None
    assert Sealed.from_json(kept).body == counts.to_json().decode()


def test_what_a_key_signs_for_membership_and_sessions_is_logged_without_its_secrets(
    tmp_path: Path, beginning: Path
) -> None:
    with a_node(tmp_path, beginning) as world:
        anna = Person(world.registry, 5, "anna")
        invitation = Person(world.registry, 1, "olga").invite(ADDRESS)
        anna.join(invitation)
        anna.add_node(world.signer, "node")
        token = token_of(world.registry, anna.signer)
    found = logged(tmp_path)
    assert len(found["enrolment"]) == 2
    assert {one.to for one in found["enrolment"]} == {one.to for one in found["session"]}
    assert all(one.sha256 is not None and one.bytes > 0 for one in [*found["enrolment"], *found["session"]])
    assert "challenge" in {one.about for one in found["question"]}
    text = (tmp_path / "outbox" / "sent.jsonl").read_text()
    assert invitation.secret not in text
    assert token not in text


def test_no_value_of_an_argument_is_in_the_log(tmp_path: Path, beginning: Path) -> None:
    with a_node(tmp_path, beginning) as world:
        world.offer(name="a-name-to-look-for")
        world.maintainer.close_question("a" * 64, "a message to look for")
    text = (tmp_path / "outbox" / "sent.jsonl").read_text()
    assert "to-look-for" not in text
    assert "to look for" not in text


def test_what_cannot_be_logged_does_not_leave(tmp_path: Path, beginning: Path) -> None:
    with a_node(tmp_path, beginning) as world:
        world.offer()
        start = world.probed()
        receipt, files = world.fine_tune(start, 7)
        world.lease(receipt)
        shutil.rmtree(tmp_path / "outbox")
        (tmp_path / "outbox").write_text("in the way")
        with pytest.raises(Unreachable, match="nothing leaves this node"):
            world.leave()
        with pytest.raises(Unreachable, match="nothing leaves this node"):
            world.registry.weights.push(world.seal(receipt), files)
        with closing(open_registry(tmp_path / "registry")) as registry:
            assert [offer.node for offer in registry.work.offers()] == [world.signer.node]
            assert registry.work.results([receipt.work_id]) == {}
