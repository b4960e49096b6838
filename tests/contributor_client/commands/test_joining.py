"""What `node join` does before a node starts, over a service on loopback: each person has a home of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from contributor_client.commands.joining import Wanted, prepared
from ratatouille.errors import Refusal
from ratatouille.federations import federation_of
from ratatouille.invitation import read_invitation
from ratatouille.outbox import OUTBOX, sent_messages
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from registry.opening import open_registry
from registry.server import RegistryServer
from tests.registry.person import Person


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An invitation to a service that has the tasks; the test is at a new home with images, in an empty folder."""
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "coordinator"))
    server = RegistryServer(tmp_path / "registry")
    server.start()
    registry = open_registry(tmp_path / "registry")
    for task in synthetic_tasks().values():
        registry.definitions.define_task(task)
    made = Person(registry, 1, "maintainer").invite(server.address)
    registry.close()
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "anna"))
    write_synthetic("shapes", tmp_path / "images", size=16)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield made.line
    server.stop(0)


JOIN = [sys.executable, "-m", "ratatouille", "node", "join"]


def wanted(**said: object) -> Wanted:
    values: dict[str, object] = dict.fromkeys(("file", "remote", "invite", "name", "images", "task", "folder"))
    return Wanted(**(values | {"domains": (), "labels": (), "missing_classes": False} | said))  # type: ignore[arg-type]


def test_one_line_and_three_answers_make_a_member_with_a_node_file(line: str, tmp_path: Path) -> None:
    (tmp_path / "invitation.txt").write_text(f"{line}\n")
    said = wanted(invite=str(tmp_path / "invitation.txt"), name="anna", images=tmp_path / "images", task="shapes")
    settings, address = prepared(said)
    assert (settings.name, settings.remote) == ("anna", address)
    joined = federation_of(address)
    assert joined is not None
    assert (joined.name, joined.role) == ("anna", "contributor")
    sent = [message.kind for message in sent_messages(tmp_path / "anna" / "nodes" / "anna" / OUTBOX)]
    assert "enrolment" in sent, "what left before there was a node is in its log too"
    again, same = prepared(wanted())
    assert (again, same) == (settings, address)
    once_more, _ = prepared(wanted(invite=line))
    assert once_more == settings


def test_a_name_that_does_not_count_is_said(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said: dict[str, object] = {"images": tmp_path / "images", "task": "shapes"}
    prepared(wanted(invite=line, name="anna", **said))
    capsys.readouterr()
    prepared(wanted(invite=line, name="bella"))
    shown = capsys.readouterr().out
    assert "others see you as anna, not as bella: this home has joined under that name" in shown
    assert "'node.toml' calls the node anna; --name does not change that" in shown


def test_pairs_of_names_come_by_flags(tmp_path: Path) -> None:
    assert wanted(domains=["field=day", "a=b=night"]).domains_of_images() == (None, {"field": "day", "a=b": "night"})
    assert wanted(domains=["day"]).domains_of_images() == ("day", {})
    for several in (["day", "night"], ["day", "field=night"], ["=day"], ["field="]):
        with pytest.raises(Refusal, match="--domain"):
            wanted(domains=several).domains_of_images()


def test_without_a_terminal_what_is_missing_is_named(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match="say --invite FILE, or `-`"):
        prepared(wanted())
    with pytest.raises(Refusal, match="say --name"):
        prepared(wanted(invite=line))
    with pytest.raises(Refusal, match="say --images and --task"):
        prepared(wanted(invite=line, name="anna"))


def test_flags_for_a_new_file_are_refused_where_there_is_one(line: str, tmp_path: Path) -> None:
    said: dict[str, object] = {"name": "anna", "images": tmp_path / "images", "task": "shapes"}
    prepared(wanted(invite=line, **said))
    with pytest.raises(Refusal, match="exists and says --images, --task itself"):
        prepared(wanted(**said))
    with pytest.raises(Refusal, match="leave --remote out"):
        prepared(wanted(invite=line, remote="grpc://127.0.0.1:1"))


def test_a_wrong_answer_is_asked_for_again_and_ctrl_c_ends_a_question_at_once(line: str, tmp_path: Path) -> None:
    terminal, ours = os.openpty()
    answers = [
        (b"begins with ratatouille-invite:)", "ratatouille-invite:typo"),
        (b"begins with ratatouille-invite:)", line),
        (b"shall others call you", "../anna"),
        (b"shall others call you", "anna"),
    ]
    with subprocess.Popen(JOIN, stdin=ours, stdout=ours, stderr=ours) as process:
        os.close(ours)
        for question, answer in answers:
            await_text(terminal, question)
            os.write(terminal, f"{answer}\n".encode())
        shown = await_text(terminal, b"Folder of your images")
        assert b"call you" not in shown, "the node has the member's name"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130  # by the signal itself, long before a service is ended by force
    os.close(terminal)


def await_text(terminal: int, text: bytes) -> bytes:
    """What a terminal shows up to a text."""
    shown = b""
    while text not in shown:
        shown += os.read(terminal, 4096)
    return shown


def test_who_is_invited_by_name_is_not_asked_for_it(line: str, tmp_path: Path) -> None:
    with closing(open_registry(tmp_path / "registry")) as registry:
        made = Person(registry, 1, "maintainer").invite(read_invitation(line).address, name="nina")
    settings, address = prepared(wanted(invite=made.line, images=tmp_path / "images", task="shapes"))
    assert settings.name == "nina"
    joined = federation_of(address)
    assert joined is not None
    assert joined.name == "nina"
