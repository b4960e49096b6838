"""A worker that is interrupted in the middle of a training: no step is lost, and the end has the same bits.

The worker that goes on ends by itself when it has waited enough, and not before it has worked.
"""

import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import tomli_w

from contributor_client.activity import Activity, ActivityFile
from contributor_client.paths import NodePaths
from contributor_client.relay import relay
from ratatouille.exchange.membership import Announcement, make_offer
from ratatouille.exchange.order import Hint, Order, seal_order
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.outbox import last_receipt, merge_repetitions, sent_messages
from ratatouille.record import sha256
from registry.opening import open_registry
from registry.records import RoundRecord
from registry.server import RegistryServer
from tests.contributor_client.pantry import Pantry

STEPS = 60
IDLE_SECONDS = 1.0


def test_an_interrupted_training_goes_on_after_its_last_step_to_the_same_bits(pantry: Pantry, tmp_path: Path) -> None:
    setup, paths = pantry.setup, NodePaths(tmp_path / "node")
    coordinator, signer = Signer.open(tmp_path / "coordinator"), Signer.open(paths.key)
    shutil.copytree(pantry.registry.folder, tmp_path / "registry")
    service = RegistryServer(tmp_path / "registry", coordinator=coordinator.node)
    service.start()
    registry = open_registry(service.address)
    registry.work.announce(coordinator.seal(Announcement(fleet="127.0.0.1:9")))
    registry.work.offer(make_offer(signer, "anna", [setup.data], seconds=3600.0))
    registry.rounds.request_round(
        RoundRecord(id="a-round", name="spring", spec="{}", state="requested", created=1.0, changed=1.0)
    )
    assert registry.rounds.move_round("a-round", ["requested"], "running")
    assignment = setup.fine_tune(steps=STEPS, seed=9)
    order = Order(
        round="a-round", assignment=assignment, parents=(registry.versions.resolve("probed"),), label="soup run 1 of 3"
    )
    table = {"task": setup.task.name, "path": str(pantry.images), "group": "stem"}
    settings = tmp_path / "node.toml"
    settings.write_text(tomli_w.dumps({"name": "anna", "device": "cpu", "data": [table]}))
    replies: list[bytes] = []
    asking = threading.Thread(
        target=lambda: replies.append(relay(paths.socket, seal_order(coordinator, order))), daemon=True
    )
    command = [sys.executable, "-P", "-m", "contributor_client.worker", "--settings", str(settings)]
    command += ["--folder", str(paths.folder), "--remote", service.address]
    command += ["--offered", setup.data.holding.fingerprint]
    activity = ActivityFile(paths.activity)
    try:
        with subprocess.Popen(command) as first:
            asking.start()
            seen(activity, first, least=5)
            first.send_signal(signal.SIGINT)
        assert first.returncode == 0
        left = activity.read()
        assert left.saved is not None
        assert 5 <= left.saved < STEPS
        assert (left.task, left.label, left.done, left.total) == ("shapes", "soup run 1 of 3", left.saved, STEPS)
        assert registry.work.results([assignment.digest]) == {}
        activity.forget()
        impatient = f"from contributor_client import worker; worker.IDLE_SECONDS = {IDLE_SECONDS}; worker.main()"
        with subprocess.Popen([sys.executable, "-P", "-c", impatient, *command[4:]]) as second:
            assert seen(activity, second, least=1).since_done == left.saved + 1
            asking.join(120)
            assert second.wait(60) == 0  # it has worked and waited enough: its memory is free again
        undisturbed = setup.perform(assignment, tmp_path / "undisturbed")
        (version,) = (one.version for one in registry.work.results([assignment.digest]).values())
        made = registry.versions.show(str(version)).entry.version
        assert (made.featurizer, made.head) == (undisturbed.featurizer, undisturbed.head)
        assert [Hint.from_json(reply).outcome for reply in replies] == ["pushed"]
        all_that_left_is_logged(paths, assignment.digest, {str(made.featurizer), str(made.head)})
        done = activity.read()
        assert (done.task, done.answered, done.problem) == ("", 1, "")
        assert done.sent > 0
    finally:
        registry.close()
        service.stop(grace=0)


def all_that_left_is_logged(paths: NodePaths, work_id: str, weights: set[str]) -> None:
    """Both workers' messages are in the node's log, and the receipt of the second."""
    found = merge_repetitions(sent_messages(paths.outbox))
    assert {one.about for one in found if one.kind == "lease"} == {work_id}
    (receipt,) = [one for one in found if one.kind == "receipt"]
    kept = last_receipt(paths.outbox)
    assert kept is not None
    assert receipt.sha256 == sha256(Sealed.from_json(kept).body.encode())
    assert {one.sha256 for one in found if one.kind == "weights"} == weights
    assert {one.kind for one in found} == {"session", "lease", "end of lease", "receipt", "weights", "question"}


def seen(activity: ActivityFile, worker: subprocess.Popen[bytes], least: int) -> Activity:
    """Wait until a worker has done so many steps."""
    until = time.monotonic() + 120
    while (found := activity.read()).done < least or found.phase not in ("warm-up", "training"):
        assert worker.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    return found
