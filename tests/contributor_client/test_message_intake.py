"""A SuperNode and its executor over Flower's own state and API, when a run ends at a chosen moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from flwr.app import Message, Metadata
from flwr.app.message import make_message, remove_content_from_message
from flwr.supercore.fab import Fab
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.run import Run, RunNotRunningException
from flwr.supernode import start_client_internal
from flwr.supernode.main import create_app
from flwr.supernode.nodestate import NodeStateFactory

from contributor_client.executor import ClaimedTask, execute
from contributor_client.message_intake import MessageIntake
from contributor_client.paths import NODE_KEY
from ratatouille.exchange.bundle import INTRODUCE, build_bundle, bundle_hash, pack
from ratatouille.processes.ports import LOOPBACK, free_port
from ratatouille.processes.secret import Secret

NODE = 7
FLOWERS = vars(start_client_internal)


def question(run: int) -> Any:
    """A message that asks the node who it is, as the coordinator makes it."""
    metadata = Metadata(run, "", 1, NODE, "", "", time.time(), 60.0, INTRODUCE)
    message = make_message(metadata=metadata, content=pack(b""))
    message.metadata.__dict__["_message_id"] = message.object_id
    return message


class Node:
    """State and API of a SuperNode; `take` and `send_replies` are what its loop does by turns."""

    def __init__(self, folder: Path, workers: int = 1) -> None:
        factory = NodeStateFactory(ObjectStoreFactory())
        self.state = factory.state()
        self.state.set_node_id(NODE)
        self.folder, self.port = folder, free_port()
        self.begun_anew = 0
        self.intake = MessageIntake(
            FLOWERS["_pull_and_store_message"], FLOWERS["_push_messages"], workers, self.begin_anew
        )
        config = uvicorn.Config(create_app(factory), host=LOOPBACK, port=self.port, log_level="warning", ws="none")
        self.api = uvicorn.Server(config)
        self.ended: list[BaseException | None] = []
        """How each execution of a task ended."""

    def begin_anew(self) -> None:
        self.begun_anew += 1

    def take(self, message: Any, **moments: Any) -> int | None:
        """Take a message; `moments` are called in place of the SuperLink's answers."""
        objects = {id: one.deflate() for id, one in get_all_nested_objects(message).items()}
        calls = {"pull_object": lambda _, id: objects[id], "confirm_message_received": lambda *_: None, **moments}
        run = Run.create_empty(message.metadata.run_id)
        run.fab_hash, run.series_id = bundle_hash(), message.metadata.run_id
        return self.intake.take(
            state=self.state,
            object_store=self.state.object_store,
            node_config={NODE_KEY: str(self.folder / "key")},
            receive=lambda: (remove_content_from_message(message), get_object_tree(message)),
            get_run=lambda _: run,
            get_fab=lambda *_: Fab(bundle_hash(), build_bundle(), {}),
            trusted_entities=None,
            **calls,
        )

    def send_replies(self, send: Any) -> None:
        self.intake.send_replies(
            state=self.state, object_store=self.state.object_store, send=send, push_object=lambda *_: None
        )

    def execute(self) -> None:
        """Do the task that is open, as the executor does."""
        task = self.state.get_tasks(statuses=["pending"])[0]
        token = self.state.claim_task(task.task_id)
        assert token is not None
        claimed = ClaimedTask(f"{LOOPBACK}:{self.port}", Secret.open(self.folder / "secret"), token)
        try:
            execute(claimed, {bundle_hash()})
            self.ended.append(None)
        except BaseException as error:
            self.ended.append(error)

    def unfinished(self) -> list[str]:
        return [task.status.status for task in self.state.get_tasks() if task.status.status != "finished"]


@pytest.fixture
def node(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Node]:
    """With one worker, or as many as the test's parameter says."""
    made = Node(tmp_path, getattr(request, "param", 1))
    thread = threading.Thread(target=made.api.run, daemon=True)
    thread.start()
    while not made.api.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield made
    made.api.should_exit = True
    thread.join()


def test_an_executor_stops_waiting_for_a_message_when_its_run_ends_while_it_comes_in(node: Node) -> None:
    at_work, one_of_several = threading.Thread(target=node.execute), threading.Lock()
    message = question(run=1)

    def end_run(*_: Any) -> bytes:
        with one_of_several:  # objects are pulled at one moment
            if not at_work.ident:
                at_work.start()
        while not node.state.time_store:  # type: ignore[attr-defined]
            time.sleep(0.01)  # until the executor has the message, of which no object has come
        raise RunNotRunningException

    assert node.take(message, pull_object=end_run) is None
    at_work.join()
    assert node.ended == [None]
    assert node.unfinished() == []
    assert message.object_id not in node.state.object_store
    assert node.state.get_messages_legacy() == []


def test_an_executor_waits_for_a_message_whose_task_is_offered_before_the_message_is_there(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, asked = threading.Thread(target=node.execute), threading.Event()
    look_up, register = node.state.get_messages_legacy, node.state.object_store.preregister

    def noted(**which: Any) -> Any:
        found = look_up(**which)
        asked.set()
        return found

    def late(*given: Any) -> list[str]:
        if not at_work.ident:
            at_work.start()
        asked.wait()
        return register(*given)

    monkeypatch.setattr(node.state, "get_messages_legacy", noted)
    monkeypatch.setattr(node.state.object_store, "preregister", late)
    assert node.take(question(run=1)) == 1
    at_work.join()
    assert node.ended == [None]
    assert node.unfinished() == []


def test_a_reply_that_nobody_waits_for_any_more_does_not_delay_the_next_one(node: Node) -> None:
    given_up, following = question(run=1), question(run=2)

    def answered_before_the_run_ended(*_: Any) -> None:
        node.execute()
        raise RunNotRunningException

    assert node.take(given_up, confirm_message_received=answered_before_the_run_ended) is None
    assert node.take(following) == 2
    sent: list[str] = []

    def send(reply: Message, *_: Any) -> tuple[set[str], str]:
        sent.append(reply.metadata.reply_to_message_id)
        if sent == [given_up.object_id]:
            node.execute()
            raise RunNotRunningException
        return set(), ""

    node.send_replies(send)
    assert sent == [given_up.object_id, following.object_id]
    assert node.ended == [None, None]
    assert node.unfinished() == []


@pytest.mark.parametrize("node", [2], indirect=True)
def test_a_node_with_two_workers_takes_a_second_message_before_it_has_answered_the_first(node: Node) -> None:
    first, second, third = question(run=1), question(run=1), question(run=1)
    sent: list[str] = []

    def send(reply: Message, *_: Any) -> tuple[set[str], str]:
        sent.append(reply.metadata.reply_to_message_id)
        return set(), ""

    assert node.take(first) == 1
    node.send_replies(send)
    assert node.take(second) == 1
    assert (sent, node.intake.has_reply()) == ([], False)
    node.execute()
    assert node.intake.has_reply()
    node.send_replies(send)  # both workers had a message, so a reply is waited for
    assert sent == [first.object_id]
    node.execute()
    assert node.take(third) == 1  # sends what is there before it takes the next one
    assert sent == [first.object_id, second.object_id]
    node.execute()
    assert node.ended == [None] * 3
    assert node.unfinished() == []


@pytest.mark.parametrize("node", [2], indirect=True)
def test_a_message_that_cannot_come_in_while_another_is_at_work_begins_the_process_anew(node: Node) -> None:
    def end_run(*_: Any) -> bytes:
        raise RunNotRunningException

    assert node.take(question(run=1), pull_object=end_run) is None
    assert node.begun_anew == 0
    assert node.take(question(run=1)) == 1
    assert node.take(question(run=1), pull_object=end_run) is None
    assert node.begun_anew == 1
