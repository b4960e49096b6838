"""The port's contract: one suite over the folder and over the service.

Every world begins with two versions: a foundation, and a head that was probed on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.assignment import Cell, Import
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.membership import Announcement, Lease, Offer, make_offer
from ratatouille.exchange.receipt import Evaluation, Receipt
from ratatouille.exchange.signing import Sealed, Signer, unseal
from ratatouille.exchange.version import Combination, Parent
from ratatouille.record import sha256
from ratatouille.tasks.task import Task
from ratatouille.weights.canonical import Array, encode, open_part
from ratatouille.weights.combine import combine
from registry.lists import every
from registry.records import LogQuery, Result, RoundRecord
from tests.registry.behind import direct, folder_of, replace, store_of
from tests.registry.conftest import THROUGH_PGBOUNCER, WORLDS, make_world
from tests.registry.world import FINGERPRINT, NETWORK, PETS, STOCK, World, featurizer, head

BUFFERS = frozenset(tensor.name for tensor in NETWORK.featurizer if tensor.buffer)


@pytest.fixture(params=[*WORLDS, THROUGH_PGBOUNCER])
def world(request: pytest.FixtureRequest, tmp_path: Path, beginning: Path) -> Iterator[World]:
    """As everywhere, and through a real PgBouncer in transaction mode."""
    yield from make_world(request, tmp_path, beginning)


def nothing_admitted(world: World, versions: int) -> None:
    assert len(world.registry.versions.log()) == versions
    assert list((folder_of(world) / "receiving").iterdir()) == []


def of(*results: Result, **settings: object) -> Combination:
    return Combination.model_validate({"parents": [{"version": one.version} for one in results], **settings})


# -- definitions


def test_definitions_are_found_by_digest_and_tasks_by_name_too(world: World) -> None:
    assert world.registry.definitions.architecture(NETWORK.digest) == NETWORK
    assert world.registry.definitions.task("pets") == world.registry.definitions.task(PETS.digest) == PETS
    assert world.registry.definitions.tasks() == [PETS]


def test_a_task_that_is_not_known_is_answered_with_the_nearest_name(world: World) -> None:
    with pytest.raises(Refusal, match=r"task petz is not known here; did you mean 'pets'\?"):
        world.registry.definitions.task("petz")
    with pytest.raises(Refusal, match="`ratatouille task list` shows those that are"):
        world.registry.definitions.task("leaves")


def test_defining_again_changes_nothing_and_defining_otherwise_is_refused(world: World) -> None:
    assert world.registry.definitions.define_task(PETS) == PETS.digest
    assert world.registry.definitions.define_architecture(NETWORK) == NETWORK.digest
    with pytest.raises(Refusal, match="task pets is defined otherwise"):
        world.registry.definitions.define_task(PETS.model_copy(update={"classes": ("dog", "cat")}))


def test_unknown_definitions_are_refused_by_name(world: World) -> None:
    with pytest.raises(Refusal, match="task birds is not known"):
        world.registry.definitions.task("birds")
    with pytest.raises(Refusal, match="architecture 000000000000… is not known"):
        world.registry.definitions.architecture("0" * 64)


def test_a_task_with_the_name_of_anothers_digest_does_not_hide_it(world: World) -> None:
    victim = PETS.model_copy(update={"name": "victim"})
    cuckoo = PETS.model_copy(update={"name": victim.digest})
    for one in (cuckoo, victim):
        world.registry.definitions.define_task(one)
    assert world.registry.definitions.task(victim.digest) == victim


# -- push and fetch


def test_a_push_becomes_a_version_with_its_weights_parents_and_counts(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2, note="first try")
    result = world.work(receipt, files)
    assert (result.featurizer, result.head, result.task, result.node) == (
        receipt.featurizer,
        receipt.head,
        PETS.digest,
        world.signer.node,
    )
    assert result.evaluations == receipt.evaluations
    assert result.seconds == 2.0
    details = world.registry.versions.show(str(result.version))
    assert details.receipt == receipt
    assert [parent.version for parent in details.entry.version.parents] == [start.version]
    assert details.entry.message == "first try"
    assert details.evaluations[0].evaluation.accuracy == 9 / 12
    fetched = world.registry.weights.fetch(str(result.featurizer))
    assert fetched.read_bytes() == files[str(result.featurizer)].read_bytes()
    assert fetched.stat().st_mode & 0o222 == 0
    assert world.registry.work.leases() == []


def test_progress_counts_bytes_up_to_all_of_them(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    world.lease(receipt)
    seen: list[tuple[int, int]] = []
    world.registry.weights.push(world.seal(receipt), files, lambda done, total: seen.append((done, total)))
    size = sum(path.stat().st_size for path in files.values())
    assert seen[-1] == (size, size)
    world.registry.weights.fetch(str(receipt.head), lambda done, total: seen.append((done, total)))
    assert seen[-1] == (files[str(receipt.head)].stat().st_size,) * 2


def test_pushing_again_returns_the_first_result_and_adds_nothing(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    first = world.work(receipt, files)
    before = world.registry.rounds.events()
    assert world.registry.weights.push(world.seal(receipt), files) == first
    assert world.registry.weights.push(world.seal(receipt), {}) == first
    assert world.registry.rounds.events() == before


def test_another_answer_to_an_answered_question_is_kept_as_a_duplicate(world: World, tmp_path: Path) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    late = World(world.registry, world.folder, Signer.open(tmp_path / "late.key"))
    other, other_files = late.fine_tune(start, 2, body=featurizer(77))
    assert late.lease(other, seconds=0) is not None
    first = world.work(receipt, files)
    assert late.registry.weights.push(late.seal(other), other_files) == first
    assert late.registry.weights.push(late.seal(other), other_files) == first
    assert [event.text[-10:] for event in world.registry.rounds.events() if event.kind == "duplicate"] == ["other bits"]
    with pytest.raises(Refusal, match="not known here"):
        world.registry.weights.fetch(str(other.featurizer))


def test_results_answers_only_what_has_an_answer(world: World) -> None:
    start = world.probed()
    result = world.tuned(start, 2)
    asked = [result.work_id, "0" * 64, start.work_id]
    assert world.registry.work.results(asked) == {result.work_id: result, start.work_id: start}
    assert world.registry.work.results([]) == {}


def test_weights_that_are_here_are_not_sent_again(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    body = dict(files)
    del body[str(receipt.head)]
    first = world.tuned(start, 3)
    same_head = receipt.model_copy(update={"head": first.head})
    assert world.work(same_head, body).head == first.head


def test_unknown_weights_are_refused(world: World) -> None:
    with pytest.raises(Refusal, match="weights 000000000000… are not known here"):
        world.registry.weights.fetch("0" * 64)


def test_an_evaluation_makes_no_version_and_is_found_at_every_version_with_these_weights(world: World) -> None:
    start = world.probed()
    tuned = world.tuned(start, 2)
    result = world.work(world.evaluation(tuned), {})
    assert result.version is None
    assert result.evaluations[0].confusion == ((3, 1), (0, 4))
    twin = world.registry.work.combine(of(tuned, purpose="twin"))
    for version in (tuned.version, twin.version):
        stored = world.registry.versions.show(str(version)).evaluations
        assert [one.evaluation.cell.split for one in stored] == ["validation", "test"]
        assert {one.fingerprint for one in stored} == {FINGERPRINT}


# -- what is refused, and leaves nothing behind


def changed(name: str, value: float) -> dict[str, Array]:
    arrays = featurizer(2)
    arrays[name] = arrays[name].copy()
    arrays[name].reshape(-1)[0] = value
    return arrays


@pytest.mark.parametrize(
    ("body", "top", "sentence"),
    [
        (changed("conv.weight", np.nan), head(2), "tensor conv.weight holds NaN or infinite values"),
        (changed("conv.weight", -np.inf), head(2), "tensor conv.weight holds NaN or infinite values"),
        (changed("bn.running_mean", 9.0), head(2), "buffer bn.running_mean moved away"),
        (featurizer(2), head(2, classes=3), r"tensor bias has shape \[3\] instead of \[2\]|other tensors"),
        ({"conv.weight": featurizer(2)["conv.weight"]}, head(2), "tensor bn.num_batches_tracked is missing"),
        (featurizer(2, extra=np.zeros(3, np.float32)), head(2), "other tensors than expected"),
    ],
    ids=["nan", "infinity", "buffer", "shape", "missing", "extra"],
)
def test_unfit_weights_are_refused_with_the_reason_and_nothing_stays(
    world: World, body: dict[str, Array], top: dict[str, Array], sentence: str
) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2, body=body, top=top)
    world.lease(receipt)
    with pytest.raises(Refusal, match=sentence):
        world.registry.weights.push(world.seal(receipt), files)
    nothing_admitted(world, versions=2)
    assert world.registry.work.results([receipt.work_id]) == {}


def test_a_refused_contribution_is_logged_once_and_a_good_one_may_follow(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2, body=changed("conv.weight", np.nan))
    world.lease(receipt)
    for _ in range(2):
        with pytest.raises(Refusal, match="NaN"):
            world.registry.weights.push(world.seal(receipt), files)
    rejected = [event for event in world.registry.rounds.events() if event.kind == "rejected"]
    assert [event.subject for event in rejected] == [receipt.work_id]
    assert "NaN" in rejected[0].text
    good, files = world.fine_tune(start, 2)
    assert world.registry.weights.push(world.seal(good), files).version is not None


def test_bytes_that_hash_otherwise_are_refused(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    digest = str(receipt.featurizer)
    files[digest].write_bytes(encode(featurizer(3)))
    world.lease(receipt)
    with pytest.raises(Refusal, match="the bytes hash to"):
        world.registry.weights.push(world.seal(receipt), files)
    nothing_admitted(world, versions=2)


@pytest.mark.parametrize(("cut", "sentence"), [(-1, "the file ends after"), (None, "more bytes than")])
def test_too_few_and_too_many_bytes_are_refused(world: World, cut: int | None, sentence: str) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    path = files[str(receipt.featurizer)]
    path.write_bytes(path.read_bytes()[:cut] + (b"" if cut else b"x"))
    world.lease(receipt)
    with pytest.raises(Refusal, match=sentence):
        world.registry.weights.push(world.seal(receipt), files)
    assert len(world.registry.versions.log()) == 2


def test_a_file_that_was_not_given_is_named(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    world.lease(receipt)
    del files[str(receipt.head)]
    with pytest.raises(Refusal, match=f"names weights {str(receipt.head)[:12]}…, but no file"):
        world.registry.weights.push(world.seal(receipt), files)


def test_a_signature_by_another_key_is_refused(world: World, tmp_path: Path) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    world.lease(receipt)
    stranger = Signer.open(tmp_path / "stranger.key")
    with pytest.raises(Refusal, match="signed by another key"):
        world.registry.weights.push(stranger.seal(receipt), files)
    sealed = world.seal(receipt)
    forged = Sealed(
        body=sealed.body.replace('"seconds":2.0', '"seconds":1.0'), node=sealed.node, signature=sealed.signature
    )
    with pytest.raises(Refusal, match="the signature of this receipt is not by key"):
        world.registry.weights.push(forged, files)
    nothing_admitted(world, versions=2)


def test_an_unknown_architecture_is_refused(world: World) -> None:
    foreign = NETWORK.model_copy(update={"padding": "same"})
    digest, path = world.file(featurizer(1))
    work = Import(architecture=foreign.digest, featurizer=digest, source="elsewhere")
    receipt = Receipt(assignment=work, node=world.signer.node, featurizer=digest)
    with pytest.raises(Refusal, match=r"architecture .* is not known here"):
        world.registry.weights.push(world.seal(receipt), {digest: path})


def test_a_parent_of_another_architecture_is_refused(world: World) -> None:
    start = world.probed()
    foreign = NETWORK.model_copy(update={"padding": "same"})
    world.registry.definitions.define_architecture(foreign)
    receipt, files = world.fine_tune(start, 2)
    work = receipt.assignment.model_copy(update={"architecture": foreign.digest})
    receipt = receipt.model_copy(update={"assignment": work})
    world.lease(receipt)
    with pytest.raises(Refusal, match="has another architecture than the assignment"):
        world.registry.weights.push(world.seal(receipt), files)
    nothing_admitted(world, versions=2)


def test_a_start_that_the_parents_do_not_have_is_refused(world: World) -> None:
    start, other = world.probed(), world.foundation(seed=5)
    receipt, files = world.fine_tune(start, 2, parents=(str(other.version), str(start.version)))
    world.lease(receipt)
    with pytest.raises(Refusal, match="does not have the featurizer that the work started from"):
        world.registry.weights.push(world.seal(receipt), files)
    receipt = receipt.model_copy(update={"parents": ()})
    with pytest.raises(Refusal, match="names no parent"):
        world.registry.weights.push(world.seal(receipt), files)


def test_a_start_may_come_from_two_versions(world: World) -> None:
    probed = world.probed()
    auxiliary = world.tuned(probed, 9)
    start = probed.model_copy(update={"featurizer": auxiliary.featurizer})
    parents = (str(auxiliary.version), str(probed.version))
    receipt, files = world.fine_tune(start, 2, parents=parents)
    result = world.work(receipt, files)
    assert [row.through for row in world.registry.versions.lineage(str(result.version), depth=1)] == [
        None,
        result.version,
        result.version,
    ]


@pytest.mark.parametrize(
    ("evaluation", "sentence"),
    [
        (Evaluation(cell=Cell(domain="photo", split="validation"), confusion=((1,),)), "are 1 × 1; task pets has 2"),
        (
            Evaluation(cell=Cell(domain="sketch", split="validation"), confusion=((1, 0), (0, 1))),
            "counts on domain sketch",
        ),
    ],
)
def test_counts_of_another_shape_or_domain_are_refused(world: World, evaluation: Evaluation, sentence: str) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2, evaluations=(evaluation,))
    world.lease(receipt)
    with pytest.raises(Refusal, match=sentence):
        world.registry.weights.push(world.seal(receipt), files)
    nothing_admitted(world, versions=2)


def test_a_receipt_or_an_offer_of_absurd_length_is_refused(world: World) -> None:
    sealed = world.seal(world.fine_tune(world.probed(), 2)[0])
    with pytest.raises(Refusal, match="the receipt has 17000000 characters"):
        world.registry.weights.push(sealed.model_copy(update={"body": "x" * 17_000_000}), {})
    with pytest.raises(Refusal, match="the offer has 2000000 characters"):
        world.registry.work.offer(sealed.model_copy(update={"body": "x" * 2_000_000}))


def test_an_evaluation_fills_the_cells_that_were_asked_for(world: World) -> None:
    tuned = world.tuned(world.probed(), 2)
    receipt = world.evaluation(tuned).model_copy(update={"evaluations": ()})
    world.lease(receipt)
    with pytest.raises(Refusal, match=r"and 1 \(others\) were asked for"):
        world.registry.weights.push(world.seal(receipt), {})


def test_a_push_that_does_not_fit_the_disk_is_refused_before_its_bytes(world: World) -> None:
    start = world.probed()
    local = direct(world)
    local.maintenance.configure("reserve_bytes", 2**60)
    receipt, files = world.fine_tune(start, 2)
    world.lease(receipt)
    with pytest.raises(Unreachable, match="no room for"):
        world.registry.weights.push(world.seal(receipt), files)
    assert all(path.stat().st_size == 0 for path in (folder_of(world) / "receiving").iterdir())
    local.maintenance.configure("reserve_bytes", None)
    local.close()
    assert world.registry.weights.push(world.seal(receipt), files).version is not None
    nothing_admitted(world, versions=3)


# -- leases


def test_a_push_without_a_lease_is_refused(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    world.offer()
    with pytest.raises(Refusal, match="no lease on this assignment"):
        world.registry.weights.push(world.seal(receipt), files)
    nothing_admitted(world, versions=2)
    world.lease(receipt)
    world.release(receipt.work_id)
    with pytest.raises(Refusal, match="no lease on this assignment"):
        world.registry.weights.push(world.seal(receipt), files)


def test_a_late_push_is_taken_unless_another_node_is_at_work(world: World, tmp_path: Path) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    world.lease(receipt, seconds=0)
    other = World(world.registry, world.folder, Signer.open(tmp_path / "other.key"))
    theirs, _ = other.fine_tune(start, 2)
    assert other.lease(theirs) is not None
    with pytest.raises(Unreachable, match="is at work on this assignment"):  # the node keeps its work and tries again
        world.registry.weights.push(world.seal(receipt), files)
    other.release(theirs.work_id)
    assert world.registry.weights.push(world.seal(receipt), files).node == world.signer.node


def test_one_node_holds_a_question_until_its_lease_ends_and_nobody_an_answered_one(
    world: World, tmp_path: Path
) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    mine = world.lease(receipt)
    assert mine is not None
    other = World(world.registry, world.folder, Signer.open(tmp_path / "other.key"))
    theirs, _ = other.fine_tune(start, 2)
    assert other.lease(theirs) is None
    said = {"seconds": 120.0, "done": 5, "total": 10, "doing": "training", "issued": time.time()}
    renewed = world.registry.work.lease(world.signer.seal(mine.model_copy(update=said)))
    assert renewed is not None
    assert renewed.expires > mine.expires + 50
    assert world.registry.work.leases() == [renewed]
    assert world.lease(receipt, seconds=0) is not None
    assert world.registry.work.leases() == []
    assert other.lease(theirs) is not None
    other.release(theirs.work_id)
    world.work(receipt, files)
    assert other.lease(theirs) is None


def test_a_lease_is_cut_to_what_the_registry_allows(world: World) -> None:
    receipt, _ = world.fine_tune(world.probed(), 2)
    granted = world.lease(receipt, seconds=1e12)
    assert granted is not None
    assert granted.expires < time.time() + 601


# -- offers


def test_an_offer_stands_until_it_expires_is_replaced_or_withdrawn(world: World) -> None:
    before, now = len(world.registry.rounds.events()), time.time()
    first = make_offer(world.signer, "zoo", [STOCK], issued=now)
    world.registry.work.offer(first)
    assert world.registry.work.offers() == [unseal(first, Offer)]
    later = make_offer(world.signer, "zoo", [STOCK], device="cuda", issued=now + 1)
    world.registry.work.offer(later)
    with pytest.raises(Unreachable, match="was signed 1 s before the last one"):
        world.registry.work.offer(first)
    world.registry.work.offer(later)  # whoever did not hear the acknowledgement sends it again
    assert world.registry.work.offers() == [unseal(later, Offer)]
    time.sleep(1)
    world.leave()
    assert world.registry.work.offers() == []
    world.offer(seconds=0.01)
    time.sleep(0.02)
    assert world.registry.work.offers() == []
    assert [event.text for event in world.registry.rounds.events()[before:]] == [
        "zoo joined with pets",
        "zoo left",
        "zoo joined with pets",
    ]


def test_no_words_of_a_nodes_own_come_in_with_leases_and_offers(world: World) -> None:
    question = world.question(world.probed(), 2)
    said = Lease.on(question, world.signer.node).model_copy(update={"doing": "reading /home/anna/smith.png"})
    granted = world.registry.work.lease(world.signer.seal(said))
    assert granted is not None
    assert granted.doing == ""
    assert [lease.doing for lease in world.registry.work.leases()] == [""]
    offer = Offer(node=world.signer.node, name="zoo", holdings=(), issued=1.0, device="the laptop of smith")
    with pytest.raises(Refusal, match="none of auto, cpu, cuda"):
        world.registry.work.offer(world.signer.seal(offer))


def test_a_node_whose_clock_was_put_back_is_seen_again(world: World) -> None:
    ahead = Offer(node=world.signer.node, name="zoo", holdings=(), issued=1e10, seconds=0.01)
    world.registry.work.offer(world.signer.seal(ahead))
    time.sleep(0.02)
    right = ahead.model_copy(update={"issued": time.time(), "seconds": 60.0})
    world.registry.work.offer(world.signer.seal(right))
    assert world.registry.work.offers() == [right]


def test_the_log_names_contributors_as_they_named_themselves(world: World) -> None:
    world.offer(name="zoo")
    world.tuned(world.probed(), 2)
    assert {entry.contributor for entry in world.registry.versions.log()} == {"zoo"}


def test_an_offer_for_another_node_or_protocol_is_refused(world: World) -> None:
    offer = Offer(node="b" * 64, name="zoo", holdings=(), issued=1.0)
    with pytest.raises(Refusal, match="is signed by another key"):
        world.registry.work.offer(world.signer.seal(offer))
    newer = Offer(node=world.signer.node, name="zoo", holdings=(), issued=1.0, protocol=PROTOCOL + 1)
    with pytest.raises(Refusal, match="upgrade the registry"):
        world.registry.work.offer(world.signer.seal(newer))


# -- rounds


def test_a_round_moves_from_expected_states_only(world: World) -> None:
    asked = RoundRecord(id="r1-abc", name="spring", spec="{}", state="requested", created=1.0, changed=1.0)
    assert world.registry.rounds.request_round(asked) == asked
    assert world.registry.rounds.request_round(asked.model_copy(update={"spec": "{1}"})) == asked
    assert world.registry.rounds.move_round("r1-abc", ["requested"], "running")
    assert not world.registry.rounds.move_round("r1-abc", ["requested"], "cancelled")
    assert world.registry.rounds.move_round("r1-abc", ["running", "requested"], "failed", "no data")
    last = world.registry.rounds.round("spring")
    assert (last.state, last.reason) == ("failed", "no data")
    assert last.changed > 1.0
    with pytest.raises(Refusal, match="no round"):
        world.registry.rounds.move_round("nothing", ["running"], "done")
    assert [event.text for event in world.registry.rounds.events(round="r1-abc")] == [
        "spring requested",
        "spring running",
        "spring failed: no data",
    ]


def test_a_round_is_found_by_id_latest_name_and_unique_prefix(world: World) -> None:
    for id, name in (("r1-abc", "spring"), ("r2-abd", "spring"), ("r2-x", "summer")):
        world.registry.rounds.request_round(
            RoundRecord(id=id, name=name, spec="{}", state="requested", created=1, changed=1)
        )
    assert world.registry.rounds.round("r1-abc").id == "r1-abc"
    assert world.registry.rounds.round("spring").id == "r2-abd"
    assert world.registry.rounds.round("r2-a").id == "r2-abd"
    assert [round.id for round in world.registry.rounds.rounds()] == ["r2-x", "r2-abd", "r1-abc"]
    assert len(world.registry.rounds.rounds(["requested", "running"])) == 3
    assert world.registry.rounds.rounds(["failed"]) == []
    for unclear in ("r2", "r3", "", "%"):
        with pytest.raises(Refusal, match="round"):
            world.registry.rounds.round(unclear)


def test_events_go_on_after_a_number(world: World) -> None:
    before = world.registry.rounds.events()[-1].number
    for number in range(5):
        world.registry.rounds.note("r1", "run", f"subject {number}", "said")
    first = world.registry.rounds.events(after=before, limit=2)
    assert [event.subject for event in first] == ["subject 0", "subject 1"]
    assert [event.subject for event in world.registry.rounds.events(after=first[-1].number)] == [
        f"subject {n}" for n in (2, 3, 4)
    ]
    assert world.registry.rounds.events(round="another") == []


def test_the_fleets_address_is_announced_and_withdrawn(world: World) -> None:
    signer = world.signer
    world.registry.work.announce(signer.seal(Announcement(fleet="127.0.0.1:9092")))
    assert world.registry.info().fleet == "127.0.0.1:9092"
    assert b"public" not in world.registry.info().to_json(), "a registry without a front door says what it always said"
    door = Announcement(fleet="up.example:8443", public="up.example:8443", authority="PEM")
    world.registry.work.announce(signer.seal(door))
    info = world.registry.info()
    assert (info.fleet, info.public, info.authority) == ("up.example:8443", "up.example:8443", "PEM")
    world.registry.work.announce(signer.seal(Announcement(fleet=None)))
    info = world.registry.info()
    assert (info.fleet, info.public, info.authority) == (None, None, None)
    assert world.registry.info().coordinator == signer.node
    with pytest.raises(Refusal, match="signature"):
        world.registry.work.announce(signer.seal(Announcement(fleet=None)).model_copy(update={"node": "0" * 64}))


# -- combinations


def test_a_combination_is_the_mean_of_both_parts_and_known_the_second_time(world: World) -> None:
    start = world.probed()
    parts = [world.tuned(start, seed) for seed in (2, 3, 4)]
    result = world.registry.work.combine(of(*parts), round="r1", message="soup")
    body = open_part(world.registry.weights.fetch(str(result.featurizer)), NETWORK.featurizer)
    mean = combine([featurizer(seed) for seed in (2, 3, 4)], [1, 1, 1], BUFFERS)
    assert all(body[name].tobytes() == mean[name].tobytes() for name in mean)
    top = open_part(world.registry.weights.fetch(str(result.head)), NETWORK.head(2))
    mean = combine([head(seed) for seed in (2, 3, 4)], [1, 1, 1], frozenset())
    assert all(top[name].tobytes() == mean[name].tobytes() for name in mean)
    assert world.registry.work.combine(of(*parts)) == result
    entry = world.registry.versions.show(str(result.version)).entry
    assert (entry.round, entry.message, entry.task_name, entry.contributor) == ("r1", "soup", "pets", None)
    assert [row.version for row in entry.version.parents] == [part.version for part in parts]
    nothing_admitted(world, versions=6)


def test_featurizers_alone_are_combined_across_tasks(world: World) -> None:
    start, bare = world.probed(), world.foundation(seed=5)
    tuned = world.tuned(start, 2)
    with pytest.raises(Refusal, match="has no head"):
        world.registry.work.combine(of(tuned, bare))
    result = world.registry.work.combine(of(tuned, bare, parts="featurizer", purpose="fusing"))
    assert (result.head, result.task) == (None, None)
    assert world.registry.versions.verify(str(result.version)).ok


def test_heads_of_two_tasks_are_not_averaged(world: World) -> None:
    start = world.probed()
    cars = Task(name="cars", kind="auxiliary", classes=("red", "blue"), domains=("road",))
    world.registry.definitions.define_task(cars)
    body, top = world.file(featurizer(5)), world.file(head(5))
    work = Import(architecture=NETWORK.digest, featurizer=body[0], head=top[0], task=cars.digest, source="a garage")
    receipt = Receipt(assignment=work, node=world.signer.node, featurizer=body[0], head=top[0])
    other = world.registry.weights.push(world.seal(receipt), dict([body, top]))
    with pytest.raises(Refusal, match="different tasks"):
        world.registry.work.combine(of(start, other))


def test_equal_parts_are_reused(world: World) -> None:
    start = world.probed()
    receipt, files = world.probe(start, seed=8)
    receipt = receipt.model_copy(update={"assignment": receipt.assignment.model_copy(update={"l2": 2.0})})
    other = world.work(receipt, files)
    shared = world.registry.work.combine(of(start, other, purpose="shared_head"))
    assert shared.featurizer == start.featurizer
    assert shared.head not in (start.head, other.head)
    assert world.registry.versions.verify(str(shared.version)).ok


def test_combinations_of_nothing_are_refused(world: World) -> None:
    start = world.probed()
    tuned = world.tuned(start, 2)
    for refused, sentence in (
        (Combination(parents=(Parent(version="0" * 64),)), "no version of this registry"),
        (of(tuned, revision=99), "combination revision 99"),
        (
            Combination(
                parents=(
                    Parent(version=str(tuned.version), coefficient=0.5),
                    Parent(version=str(start.version), coefficient=-0.5),
                )
            ),
            "sum to nothing",
        ),
    ):
        with pytest.raises(Refusal, match=sentence):
            world.registry.work.combine(refused)
    nothing_admitted(world, versions=3)


def test_buffers_that_differ_are_not_averaged(world: World) -> None:
    one = world.foundation(seed=1)
    digest, path = world.file(featurizer(2, **{"bn.running_mean": np.zeros(3, np.float32)}))
    work = Import(architecture=NETWORK.digest, featurizer=digest, source="elsewhere")
    receipt = Receipt(assignment=work, node=world.signer.node, featurizer=digest)
    two = world.registry.weights.push(world.seal(receipt), {digest: path})
    with pytest.raises(Refusal, match=r"buffer bn\.running_mean differs"):
        world.registry.work.combine(of(one, two, parts="featurizer"))
    nothing_admitted(world, versions=4)


# -- history


def test_the_log_can_be_narrowed(world: World) -> None:
    start = world.probed()
    tuned = [world.tuned(start, seed) for seed in (2, 3)]
    mean = world.registry.work.combine(of(*tuned), round="r1")
    world.registry.rounds.note("r2", "version", str(tuned[0].version), "used again")
    assert [entry.version.rule.name for entry in world.registry.versions.log()] == [
        "combine",
        "fine_tune",
        "fine_tune",
        "probe",
        "import",
    ]
    assert len(world.registry.versions.log(LogQuery(task="pets"))) == 4
    assert len(world.registry.versions.log(LogQuery(kind="fine_tune"))) == 2
    assert [entry.id for entry in world.registry.versions.log(LogQuery(round="r1"))] == [mean.version]
    assert [entry.id for entry in world.registry.versions.log(LogQuery(round="r2"))] == [tuned[0].version]
    assert len(world.registry.versions.log(limit=1)) == 1


def test_revisions_are_ids_prefixes_aliases_and_steps_back(world: World) -> None:
    start = world.probed()
    tuned = str(world.tuned(start, 2).version)
    world.maintainer.release(tuned[:12], "latest", "it is good")
    resolve = world.registry.versions.resolve
    assert {resolve(tuned), resolve(tuned[:8]), resolve("latest"), resolve("latest~0")} == {tuned}
    assert resolve("latest~") == resolve("latest~1") == resolve(f"{tuned[:10]}~1") == start.version
    assert resolve(f"latest@{{{time.strftime('%Y-%m-%d', time.gmtime())}}}") == tuned
    for wrong in ("nobody", "latest~9", tuned[:3], "0" * 12, "latest@{2001-01-01}", "latest@{soon}", "../x", ""):
        with pytest.raises(Refusal):
            resolve(wrong)


def test_aliases_move_and_remember(world: World) -> None:
    start = world.probed()
    tuned = world.tuned(start, 2)
    world.maintainer.release(str(start.version), "stable")
    world.maintainer.release(str(tuned.version), "stable", "better")
    world.maintainer.release(str(tuned.version), "stable", "again")
    assert world.registry.releases.aliases() == {"stable": tuned.version}
    assert [(move.version, move.message) for move in world.registry.releases.alias_history("stable")] == [
        (tuned.version, "better"),
        (start.version, ""),
    ]
    assert world.registry.versions.show("stable").entry.aliases == ("stable",)
    for wrong in ("cafe", "a b", "x~1"):
        with pytest.raises(Refusal):
            world.maintainer.release("stable", wrong)


def test_the_recipes_of_rounds_stand_at_the_versions_that_they_ended_in_and_at_no_other(world: World) -> None:
    start = world.probed()
    tuned = [world.tuned(start, seed) for seed in (2, 3)]
    mean = str(world.registry.work.combine(of(*tuned), "spring").version)
    assert world.registry.versions.show(mean).entry.recipes == ()
    rounds = world.registry.rounds
    rounds.request_round(RoundRecord(id="77aa", name="summer", spec="{}", state="done", created=1.0, changed=1.0))
    ends = [("77aa", "soup"), *(("spring", f"recipe{number}") for number in range(4))]
    for round, recipe in (*ends, *ends):
        rounds.name_result(round, recipe, mean)
    shown = world.registry.versions.show(mean).entry.recipes
    assert [(one.round, one.recipe) for one in shown] == ends
    assert [one.round_name for one in shown] == ["summer", None, None, None, None]
    listed = {entry.id: entry.recipes for entry in world.registry.versions.log()}
    assert listed.pop(mean) == shown[:3]
    assert set(listed.values()) == {()}
    assert [entry.id for entry in world.registry.versions.log(LogQuery(round="77aa"))] == [mean]
    with pytest.raises(Refusal, match="no version"):
        rounds.name_result("77aa", "soup", "0" * 64)


def test_a_version_is_listed_with_the_score_of_its_own_task(world: World) -> None:
    start = world.probed()
    tuned = world.tuned(start, 2)
    mean = world.registry.work.combine(of(tuned, world.tuned(start, 3)))
    assert world.registry.versions.show(str(mean.version)).entry.score is None
    world.work(world.evaluation(mean), {})
    entry = next(one for one in world.registry.versions.log() if one.id == mean.version)
    best = world.registry.versions.best("pets", split="test").versions[0]
    assert entry.score is not None
    assert (entry.score.value, entry.score.margin, entry.score.split) == (best.value, best.margin, "test")
    assert entry.task_kind == "target"


def test_lineage_walks_to_the_foundation(world: World) -> None:
    start = world.probed()
    one, two = world.tuned(start, 2), world.tuned(start, 3)
    mean = world.registry.work.combine(of(one, two))
    rows = world.registry.versions.lineage(str(mean.version))
    assert [(row.depth, row.entry.version.rule.name) for row in rows] == [
        (0, "combine"),
        (1, "fine_tune"),
        (1, "fine_tune"),
        (2, "probe"),
        (2, "probe"),
        (3, "import"),
    ]
    assert [row.through for row in rows[3:5]] == [one.version, two.version]
    assert rows[1].coefficient == 1
    assert len(world.registry.versions.lineage(str(mean.version), depth=1)) == 3
    assert set(world.registry.versions.show(str(start.version)).children) == {one.version, two.version}


# -- verification


def test_a_receipt_comes_with_its_signature_and_an_average_has_none(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 1)
    trained = world.work(receipt, files)
    sealed = world.registry.versions.receipt(str(trained.version))
    assert sealed is not None
    assert unseal(sealed, Receipt) == receipt
    assert sealed.node == world.signer.node
    average = world.registry.work.combine(of(trained, world.tuned(start, 2)))
    assert world.registry.versions.receipt(str(average.version)) is None
    with pytest.raises(Refusal, match="no alias or tag 'winter'"):
        world.registry.versions.receipt("winter")


def test_where_nothing_is_released_the_refusal_says_what_makes_the_alias(world: World) -> None:
    with pytest.raises(Refusal, match="no alias or tag 'latest': `ratatouille foundation` or `ratatouille release`"):
        world.registry.versions.resolve("latest")


def test_verify_checks_bytes_id_signature_and_average(world: World) -> None:
    start = world.probed()
    mean = world.registry.work.combine(of(world.tuned(start, 2), world.tuned(start, 3)))
    report = world.registry.versions.verify(str(mean.version))
    assert report.ok
    rows = ["id", "log", "columns", "parents", "state"]
    assert [check.what for check in report.checks] == [*rows, "featurizer", "head", "average"]
    report = world.registry.versions.verify(str(start.version))
    assert report.ok
    assert [check.what for check in report.checks] == [*rows, "receipt", "featurizer", "head"]


def test_verify_finds_a_byte_that_changed_in_the_store(world: World) -> None:
    start = world.probed()
    tuned = [world.tuned(start, 2), world.tuned(start, 3)]
    mean = world.registry.work.combine(of(*tuned))
    digest = str(tuned[0].head)
    data = bytearray(world.registry.weights.fetch(digest).read_bytes())
    data[-1] ^= 1
    replace(world, digest, bytes(data))
    for version, bad in ((tuned[0], "head"), (mean, "average")):
        report = world.registry.versions.verify(str(version.version))
        assert [check.what for check in report.checks if check.verdict == "wrong"] == [bad]
    replace(world, digest, None)
    report = world.registry.versions.verify(str(tuned[0].version))
    assert [check.what for check in report.checks if check.verdict == "wrong"] == ["head"]
    (wrong,) = [check for check in report.checks if check.verdict == "wrong"]
    assert f"weights {digest[:12]}… are missing" in wrong.detail


def test_verify_reports_a_parent_whose_file_is_gone(world: World) -> None:
    start = world.probed()
    tuned = [world.tuned(start, 2), world.tuned(start, 3)]
    mean = world.registry.work.combine(of(*tuned))
    digest = str(tuned[0].head)
    replace(world, digest, None)
    report = world.registry.versions.verify(str(mean.version))
    assert [check.what for check in report.checks if check.verdict == "wrong"] == ["average"]
    assert f"weights {digest[:12]}… are missing" in report.checks[-1].detail


def test_an_interrupted_push_goes_on_where_it_stopped(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    digest = str(receipt.featurizer)
    partial = folder_of(world) / "receiving" / digest
    partial.write_bytes(files[digest].read_bytes()[:333])
    world.lease(receipt)
    seen: list[int] = []
    result = world.registry.weights.push(world.seal(receipt), files, lambda done, total: seen.append(total - done))
    assert result.version is not None
    assert seen[-1] == 0
    assert world.registry.weights.fetch(digest).read_bytes() == files[digest].read_bytes()
    nothing_admitted(world, versions=3)


@pytest.mark.parametrize("damage", ["in what is checked at once", "in what only the digest tells"])
def test_damaged_bytes_of_an_interrupted_push_do_not_spoil_it(world: World, damage: str) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    digest = str(receipt.featurizer)
    partial = folder_of(world) / "receiving" / digest
    data = bytearray(files[digest].read_bytes()[:-4])
    data[20 if "at once" in damage else -1] ^= 1
    partial.write_bytes(data)
    world.lease(receipt)
    if "digest" in damage:
        with pytest.raises(Unreachable, match="damaged bytes"):
            world.registry.weights.push(world.seal(receipt), files)
    assert world.registry.weights.push(world.seal(receipt), files).version is not None
    assert [event.kind for event in world.registry.rounds.events()].count("rejected") == 0


def test_weights_without_a_row_are_checked_anew_and_need_not_be_sent_again(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    digest = str(receipt.featurizer)
    replace(world, digest, files[digest].read_bytes())
    with pytest.raises(Refusal, match="not known here"):
        world.registry.weights.fetch(digest)
    world.lease(receipt)
    sent: list[int] = []
    result = world.registry.weights.push(world.seal(receipt), files, lambda done, total: sent.append(done))
    assert result.featurizer == digest
    assert sent[0] > files[digest].stat().st_size
    nothing_admitted(world, versions=3)


@pytest.mark.parametrize("left", [b"", b"something else", None], ids=["nothing", "less", "other bytes"])
def test_what_was_stored_wrongly_without_a_row_is_replaced(world: World, left: bytes | None) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    digest = str(receipt.featurizer)
    replace(world, digest, bytes(files[digest].stat().st_size) if left is None else left)
    result = world.work(receipt, files)
    assert world.registry.weights.fetch(digest).read_bytes() == files[digest].read_bytes()
    assert world.registry.versions.verify(str(result.version)).ok


def test_sha256_of_the_receipt_is_part_of_the_version(world: World) -> None:
    result = world.probed()
    details = world.registry.versions.show(str(result.version))
    assert details.receipt is not None
    assert details.entry.version.receipt == sha256(details.receipt.to_json())
    assert details.entry.version.id == result.version


def test_the_sweep_removes_what_nobody_owns_and_keeps_what_versions_have(world: World) -> None:
    start = world.probed()
    receipt, _ = world.fine_tune(start, 2)
    local = direct(world)
    replace(world, "f" * 64, b"nobody's")
    local.blobs.inbox.partial(str(receipt.head)).write_bytes(b"half")
    local.publisher.sweep()
    assert store_of(world).size("f" * 64) is not None
    local.maintenance.configure("stale_seconds", -2)  # S3 tells times in whole seconds
    local.publisher.sweep()
    assert store_of(world).size("f" * 64) is None
    nothing_admitted(world, versions=2)
    assert world.registry.versions.verify(str(start.version)).ok
    local.close()


@pytest.mark.parametrize(("name", "value"), [("reserve", 1), ("reserve_bytes", "much")])
def test_settings_that_do_not_exist_or_fit_are_refused(world: World, name: str, value: str | int) -> None:
    local = direct(world)
    with pytest.raises(Refusal, match="reserve"):
        local.maintenance.configure(name, value)
    assert local.maintenance.settings().reserve_bytes == 2**30
    local.close()


# -- long lists


def test_every_list_comes_in_pages_that_hold_each_row_once(world: World) -> None:
    registry = world.registry
    version = str(world.probed().version)
    names = [f"name{number}" for number in range(7)]
    for number, name in enumerate(names):
        registry.rounds.request_round(
            RoundRecord(id=name, name="round", spec="{}", state="requested", created=number, changed=number)
        )
        registry.definitions.define_task(PETS.model_copy(update={"name": name}))
        world.maintainer.tag(version, f"tag{number}")
        world.maintainer.release(version if number % 2 else f"{version}~1", f"alias{number % 3}")
    rounds = list(every(lambda last: registry.rounds.rounds(["requested"], last.id if last else None, limit=2)))
    assert [one.id for one in rounds] == names[::-1] == [one.id for one in registry.rounds.rounds()]
    tasks = list(every(lambda last: registry.definitions.tasks(last.name if last else "", limit=3)))
    assert [one.name for one in tasks] == sorted([*names, "pets"]) == [one.name for one in registry.definitions.tasks()]
    tags = list(every(lambda last: registry.releases.tags(last.name if last else "", limit=2)))
    assert [one.name for one in tags] == [f"tag{number}" for number in range(7)]
    assert tags == registry.releases.tags()
    some = registry.releases.aliases(limit=2)
    assert (
        [*some, *registry.releases.aliases(after="alias1")]
        == list(registry.releases.aliases())
        == ["alias0", "alias1", "alias2"]
    )
    moves = list(every(lambda last: registry.releases.alias_history("alias0", last.number if last else None, limit=1)))
    assert moves == registry.releases.alias_history("alias0")
    assert len(moves) == 3
    events = list(every(lambda last: registry.rounds.events(last.number if last else 0, limit=5)))
    assert events == registry.rounds.events()
    with pytest.raises(Refusal, match="there is no round with the id 'nobody'"):
        registry.rounds.rounds(before="nobody")
    assert not registry.rounds.rounds(limit=-1)
    assert not registry.rounds.events(limit=-1)


def test_a_page_ends_before_it_is_too_large_for_a_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.lists.PAGE_CHARACTERS", 100)
    registry = world.registry
    for number in range(5):
        registry.rounds.note("one", "note", "subject", f"{number}" * (60 if number < 4 else 500))
    first = registry.rounds.events(round="one")
    assert [len(event.text) for event in first] == [60]
    every_line = list(every(lambda last: registry.rounds.events(last.number if last else 0, "one")))
    assert [event.text[0] for event in every_line] == list("01234")


def test_offers_and_leases_are_never_more_than_one_message_holds(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(make_offer(world.signer, "zoo", [STOCK]).to_json())
    monkeypatch.setattr("registry.contributions.membership.PAGE_CHARACTERS", 2 * size + 100)
    world.offer()
    second = World(world.registry, world.folder, Signer.open(tmp_path / "second.key"))
    with pytest.raises(Unreachable, match=r"the offers from where this one comes have .* when a node has left"):
        second.offer()
    world.offer()  # it is there already
    world.leave()
    second.offer()
    assert [one.node for one in world.registry.work.offers()] == [second.signer.node]
    monkeypatch.setattr("registry.contributions.membership.MOST_LEASES", 1)
    start = world.probed()
    first, other = (second.fine_tune(start, seed)[0] for seed in (2, 3))
    assert second.lease(first) is not None
    with pytest.raises(Unreachable, match="1 leases are held"):
        second.lease(other)
    assert second.lease(first) is not None
    second.release(first.work_id)
    assert second.lease(other) is not None


def test_who_answers_says_what_it_runs_on_and_never_where(world: World) -> None:
    info = world.registry.info()
    kind, _, number = info.database.partition(" ")
    assert kind in ("SQLite", "PostgreSQL")
    assert number[0].isdigit()
    assert info.weights in ("folder", "s3")
    assert str(folder_of(world)) not in info.to_json().decode()
