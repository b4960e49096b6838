"""What the executor promises a node's owner; how it works with real Flower is tests/coordinator/test_work_lane.py."""

import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

with warnings.catch_warnings():
    # Flower imports typer, which uses names that newer click deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    from flwr.app import Context, Message, RecordDict
    from flwr.app.error import Error
    from flwr.app.message import make_message
    from flwr.app.user_config import UserConfig
    from flwr.common.constant import ErrorCode

    from contributor_client.executor import ClaimedTask, TaskInput, execute
    from contributor_client.paths import NODE_KEY, WORKER_SOCKET, WORKERS
    from contributor_client.relay import serve
    from ratatouille.exchange.bundle import WORK, ForeignBundle, pack, refuse_foreign_bundle, unpack
    from ratatouille.exchange.order import OrderReply, unseal_reply
    from ratatouille.exchange.signing import Signer
    from tests.coordinator.test_replies import metadata

ROOT = Path(__file__).parents[2]


def test_the_executor_imports_no_torch() -> None:
    program = (
        "import contributor_client.executor, sys; print([m for m in ('torch', 'timm', 'ray') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_a_bundle_passes_only_when_every_hash_is_accepted() -> None:
    ours, foreign = "a" * 64, "b" * 64
    refuse_foreign_bundle({ours}, {ours})
    with pytest.raises(
        ForeignBundle, match="refuses bundle bbbbbbbbbbbb…; it accepts aaaaaaaaaaaa…; upgrade the older side: pip"
    ):
        refuse_foreign_bundle({ours, foreign}, {ours})
    with pytest.raises(ForeignBundle):
        refuse_foreign_bundle({ours}, set())


class GivenTask:
    """A task as the SuperNode gives it: one order. It keeps what goes back."""

    def __init__(self, folder: Path, bundle: str) -> None:
        sent = make_message(metadata=metadata(""), content=pack(b"an order"))
        sent.metadata.__dict__.update(_message_id="its id", _message_type=WORK)
        config: UserConfig = {NODE_KEY: str(folder / "key"), WORKER_SOCKET: str(folder / "socket"), WORKERS: 1}
        context = Context(run_id=1, node_id=7, node_config=config, state=RecordDict(), run_config={}, series_id=1)
        self.input = TaskInput(sent, context, frozenset({bundle}))
        self.replied: bytes | str = b""
        self.code = 0

    @contextmanager
    def kept(self) -> Iterator[None]:
        yield

    def pull(self) -> TaskInput:
        return self.input

    def answer(self, given: TaskInput, reply: Message) -> None:
        self.replied = unpack(reply.content)

    def fail(self, given: TaskInput, code: int, reason: str) -> None:
        self.code, self.replied = code, Error(code, reason).reason or ""


def replied(folder: Path, bundle: str = "ours") -> tuple[int, OrderReply]:
    task = GivenTask(folder, bundle)
    execute(cast(ClaimedTask, task), {"ours"})
    return task.code, unseal_reply(task.replied, Signer.open(folder / "key").node, "its id", b"an order")


def test_whatever_becomes_of_an_order_the_reply_is_sealed_for_its_message(tmp_path: Path) -> None:
    def answer(order: bytes) -> bytes:
        if fails:
            raise OSError("/home/anna is gone")
        return order + b" was done"

    fails, stop = False, threading.Event()
    worker = threading.Thread(target=serve, args=(tmp_path / "socket", answer, stop, 0.05))
    worker.start()
    try:
        assert replied(tmp_path)[1].hint == "an order was done"
        fails = True
        code, reply = replied(tmp_path)
        assert (code, reply.hint) == (ErrorCode.CLIENT_APP_RAISED_EXCEPTION, None)
        assert reply.failure is not None
        assert reply.failure.code == "unexpected"
        code, reply = replied(tmp_path, bundle="foreign")
        assert (code, reply.failure and reply.failure.code) == (ErrorCode.INVALID_FAB, "foreign-bundle")
    finally:
        stop.set()
        worker.join()
