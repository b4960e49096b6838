"""The executor of a node: takes tasks from the SuperNode and answers them, in place of `flower-superexec`.

It keeps foreign code from running on the node. A task of any bundle but ours is answered with a refusal; and the
ClientApp that runs is always the installed one, so that not even an accepted bundle could bring code. It is a thread of
the SuperNode's process (`flower_supernode`), imports no torch and goes on between messages, so an order reaches the
worker in milliseconds.

A `ClaimedTask` has the parts of Flower's `run_clientapp` that a node needs, without installing the bundle, loading code
from it, or ending the process. They are Flower's internal client of the runtime API, hence the exact pin of flwr.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import ERROR, WARNING
from pathlib import Path

import httpx
from flwr.app import Context, Message
from flwr.app.error import Error
from flwr.common.constant import ErrorCode, SubStatus
from flwr.common.serde import context_from_proto
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullAppMessagesRequest,
    PullTaskInputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.supercore import log
from flwr.supercore.auth import load_superexec_auth_secret
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, pull_and_inflate_object_from_tree
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import push_message, push_task_output

from contributor_client.app import app, sealed
from contributor_client.relay import WorkerError
from ratatouille.errors import RatatouilleError
from ratatouille.exchange.bundle import WORK, ForeignBundle, SigningInterceptor, refuse_foreign_bundle, unpack
from ratatouille.failure import failure_of
from ratatouille.outbox import Message as OutboxMessage
from ratatouille.outbox import Outbox
from ratatouille.processes.secret import Secret
from ratatouille.record import sha256

_FIRST_PAUSE, _LONGEST_PAUSE = 0.03, 1.0
_POLL_SECONDS, _IDLE_POLL_SECONDS, _IDLE_AFTER = 0.1, 0.5, 2.0
"""How often it asks: often while orders come one after the other, seldom after some idle seconds."""
_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"


@dataclass(frozen=True)
class TaskInput:
    """The input of one task: the message, Flower's context, and the hashes of the bundle that the run has."""

    message: Message
    context: Context
    bundle_hashes: frozenset[str]


class ClaimedTask:
    """A task that was given to us; a context manager that keeps it claimed for as long as the worker needs."""

    def __init__(self, address: str, secret: Secret, token: str) -> None:
        self._client = runtime_client(address, secret, RuntimeTokenHttpInterceptor(token))
        self._heartbeat = HeartbeatSender(self._beat)

    def pull(self) -> TaskInput:
        """Fetch the message. The SuperNode offers a task before it has the message, so pauses are short.

        No time limit: the SuperNode ends the task when the rest of the message cannot come (`intake`).

        Raises:
            httpx.HTTPStatusError: when it has ended the task.
            ObjectPullError: when it has forgotten the message, and ends the task next.
        """
        given = self._client.PullTaskInput(PullTaskInputRequest())
        context = context_from_proto(given.context)
        while not (trees := self._client.PullMessages(PullAppMessagesRequest()).message_object_trees):
            time.sleep(_FIRST_PAUSE)
        tree, node = trees[0], Node(node_id=context.node_id)
        message = pull_and_inflate_object_from_tree(
            tree,
            make_pull_object_fn_protobuf(self._client.PullObject, node, context.run_id),
            make_confirm_message_received_fn_protobuf(self._client.ConfirmMessageReceived, node, context.run_id),
            return_type=Message,
            max_time=None,
            max_tries_per_object=None,
            initial_backoff=_FIRST_PAUSE,
            backoff_cap=_LONGEST_PAUSE,
        )
        # The id is the hash of the message, so it is not part of what was sent.
        message.metadata.__dict__["_message_id"] = tree.object_id
        hashes = frozenset({given.run.fab_hash, given.fab.hash_str, sha256(given.fab.content)})
        return TaskInput(message, context, hashes)

    def answer(self, given: TaskInput, reply: Message) -> None:
        """Return the worker's reply and end the task."""
        push_message(self._client, reply, given.context)
        push_task_output(self._client, given.context, SubStatus.COMPLETED, "")

    def fail(self, given: TaskInput, code: int, reason: str) -> None:
        """Return an error, which reaches the coordinator as it is, and end the task as failed."""
        push_message(self._client, Message(Error(code, reason), reply_to=given.message), given.context)
        push_task_output(self._client, given.context, SubStatus.FAILED, reason)

    @contextmanager
    def kept(self) -> Iterator[ClaimedTask]:
        """Send the SuperNode heartbeats for this task until the block ends; then close the connection."""
        self._heartbeat.start()
        try:
            yield self
        finally:
            self._heartbeat.stop()
            self._client.close()

    def _beat(self) -> bool:
        try:
            self._client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
        except httpx.TransportError:
            return False
        except httpx.HTTPStatusError as error:
            # Flower would interrupt the process here. The worker's result is worth having all the same: its push to the
            # registry is the commit.
            log(WARNING, "The SuperNode has forgotten the task at work: %s", error)
        return True


def runtime_client(address: str, secret: Secret, authentication: ProtobufClientInterceptor) -> RuntimeHttpClient:
    """A client of a SuperNode's runtime API; without Flower's retrying, which ends the process on the first 401."""
    version = RuntimeVersionHttpInterceptor(component_name="flwr-clientapp")
    signing = SigningInterceptor(secret)
    return RuntimeHttpClient.from_server_address(address, True, None, [version, authentication, signing])


def execute_forever(address: str, secret_file: Path, accepted: Collection[str], outbox: Outbox | None = None) -> None:
    """Take tasks from the SuperNode at `host:port`, one after the other, from when it answers there."""
    secret = Secret.open(secret_file)
    flower_secret = load_superexec_auth_secret(str(secret_file))
    assert flower_secret is not None
    authentication = SuperExecAuthHttpInterceptor(master_secret=flower_secret, protected_methods=[_ACQUIRE])
    client = runtime_client(address, secret, authentication)
    last = time.monotonic()
    while True:
        try:
            acquired = client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
            if acquired.HasField("task") and acquired.token:
                execute(ClaimedTask(address, secret, acquired.token), accepted, outbox)
                last = time.monotonic()
                continue
        except httpx.TransportError:
            pass  # The SuperNode is starting.
        time.sleep(_POLL_SECONDS if time.monotonic() - last < _IDLE_AFTER else _IDLE_POLL_SECONDS)


def execute(task: ClaimedTask, accepted: Collection[str], outbox: Outbox | None = None) -> None:
    """Answer one task; any error at work becomes its answer. The answer is logged in the outbox before it leaves.

    Raises:
        httpx.TransportError: when the SuperNode is gone.
    """
    try:
        with task.kept():
            given = task.pull()
            try:
                refuse_foreign_bundle(given.bundle_hashes, accepted)
                reply = app(message=given.message, context=given.context)
            except Exception as error:
                foreign = isinstance(error, ForeignBundle)
                # What it says in words stays in this log: it may name files of the node.
                log(WARNING, "Answered with an error: %s: %s", type(error).__name__, error)
                failure = error.failure if isinstance(error, WorkerError) else failure_of(error)
                reason = sealed(given.message, given.context, failure)
                _log_answer(outbox, "failure", reason)
                code = ErrorCode.INVALID_FAB if foreign else ErrorCode.CLIENT_APP_RAISED_EXCEPTION
                task.fail(given, code, reason.decode())
            else:
                _log_answer(
                    outbox,
                    "hint" if given.message.metadata.message_type == WORK else "introduction",
                    unpack(reply.content),
                )
                task.answer(given, reply)
    except (httpx.HTTPStatusError, ObjectPullError, RatatouilleError) as error:
        # The SuperNode has ended this task, since its run is over, or the answer cannot be sealed or logged. What the
        # worker did is not lost, because its push to the registry was the commit.
        log(ERROR, "The task ended without an answer: %s", error)


def _log_answer(outbox: Outbox | None, kind: str, body: bytes) -> None:
    """Log the content of an answer; the messages of Flower that carry it are logged by its client.

    Raises:
        Unreachable: when it cannot be logged; the answer must not leave then.
    """
    if outbox is not None:
        outbox.log(OutboxMessage(kind, len(body), digest=sha256(body)))
