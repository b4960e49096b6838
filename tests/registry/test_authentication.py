"""Who may call what: roles, sessions and their keys, the owner's key file, and who answers for what is signed."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic_core import to_json
from sqlalchemy import func, select

from ratatouille.addresses import Address
from ratatouille.errors import RatatouilleError, Refusal, Unreachable
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.membership import Lease
from ratatouille.exchange.session import SessionRequest
from ratatouille.exchange.signing import Signer
from ratatouille.federations import Federation, enter_federation
from ratatouille.folders import write_once
from ratatouille.home import home
from registry.caller import ROLES, Forbidden, Unauthenticated, includes
from registry.ledger.members import sessions
from registry.opening import open_registry
from registry.owner_key import literal, owner_key_file, read_owner_key
from registry.proto.registry_pb2 import (
    Begin,
    CallReply,
    CallRequest,
    FetchReply,
    FetchRequest,
    PushReply,
    PushRequest,
    WatchReply,
    WatchRequest,
)
from registry.schema import SessionRow
from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from registry.services.registry import Registry
from registry.transport.credentials import Metadata
from registry.transport.wire import CALLS, SERVICE, Call
from tests.registry.person import Person
from tests.registry.test_service import a_large_import
from tests.registry.test_watching import once_reachable
from tests.registry.tokens import bearer, token_of
from tests.registry.world import NETWORK, World

REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


class Scene:
    """A service with one member of each role."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.service = RegistryServer(folder / "registry")
        self.service.start()
        self.url = self.service.address
        self.registry = open_registry(self.url, cache=folder / "cache")
        self.id = self.registry.members.challenge().registry
        self.owner = Person(self.registry, 1, "olga")
        self.channel = grpc.insecure_channel(Address.parse(self.url).host_and_port)
        self.people: dict[str, Person] = {}
        for number, role in enumerate(ROLES[1:], 10):
            self.people[role] = Person(self.registry, number, role)
            self.people[role].joined(self.owner, role=role, name=role)

    def token(self, signer: Signer, **changes: Any) -> str:
        """The token of a new session."""
        return token_of(self.registry, signer, **changes)

    def status(self, call: Call, token: str | None, json: bytes = b"{}") -> grpc.StatusCode:
        """How a call with a token ends."""
        try:
            self.send(call, json, bearer(token))
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK

    def send(self, call: Call, json: bytes, metadata: Metadata) -> None:
        match call.name:
            case "fetch":
                fetch = self.channel.unary_stream(call.path, FetchRequest.SerializeToString, FetchReply.FromString)
                list(fetch(FetchRequest(protocol=PROTOCOL, digest="0" * 64), timeout=30, metadata=metadata))
            case "push":
                push = self.channel.stream_stream(call.path, PushRequest.SerializeToString, PushReply.FromString)
                begin = PushRequest(begin=Begin(protocol=PROTOCOL, sealed=b"{}"))
                list(push(iter([begin]), timeout=30, metadata=metadata))
            case "watch":
                watch = self.channel.unary_stream(call.path, WatchRequest.SerializeToString, WatchReply.FromString)
                replies: Any = watch(WatchRequest(protocol=PROTOCOL), timeout=30, metadata=metadata)
                next(replies)
                replies.cancel()
            case _:
                unary = self.channel.unary_unary(call.path, CallRequest.SerializeToString, CallReply.FromString)
                unary(CallRequest(protocol=PROTOCOL, json=json), timeout=30, metadata=metadata)

    def close(self) -> None:
        self.channel.close()
        self.registry.close()
        self.service.stop(grace=1)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sessions, "REMEMBERED_SECONDS", 0.0)
    made = Scene(tmp_path)
    yield made
    made.close()


def at_home(scene: Scene, person: Person, patch: pytest.MonkeyPatch) -> Registry:
    """The registry, as a member opens it from a home of their own."""
    folder = scene.folder / f"home-{person.author}"
    write_once(folder / "key", person.seed.hex().encode())
    patch.setenv("RATATOUILLE_HOME", str(folder))
    known = scene.registry.members.find_member(person.key)
    joined = Federation(address=scene.url, registry=scene.id, member=known.id, name=known.name, role=known.role)
    enter_federation(joined, None)
    return open_registry(scene.url, cache=folder / "cache")


# -- the table of roles


def test_every_method_takes_the_roles_that_it_declares_and_no_other(scene: Scene) -> None:
    tokens = {"stranger": None} | {role: scene.token(person.signer) for role, person in scene.people.items()}
    for who, token in tokens.items():
        role: Any = "reader" if token is None else who
        for call in CALLS.values():
            needed = call.method.declaration.role
            status = scene.status(call, token)
            expected = includes(role, needed)
            assert (status not in REFUSED) is expected, f"{call.name} by {who}: {status}"
            if not expected:
                assert (status is grpc.StatusCode.UNAUTHENTICATED) is (token is None)


def test_calls_of_software_0_1_need_the_same_roles(scene: Scene) -> None:
    old = scene.channel.unary_unary(f"/{SERVICE}/Call", CallRequest.SerializeToString, CallReply.FromString)
    assert old(CallRequest(protocol=PROTOCOL, method="log", json=b"{}"), timeout=30).json == b"[]"
    for name in ("define_task", "combine", "note"):
        with pytest.raises(grpc.RpcError) as caught:
            old(CallRequest(protocol=PROTOCOL, method=name, json=b"{}"), timeout=30)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    push = scene.channel.stream_stream(f"/{SERVICE}/Push", PushRequest.SerializeToString, PushReply.FromString)
    with pytest.raises(grpc.RpcError) as caught:
        list(push(iter([PushRequest(begin=Begin(protocol=PROTOCOL, sealed=b"{}"))]), timeout=30))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_refusal_says_which_role_is_needed_and_is_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    call = CALLS["note"]
    unary = scene.channel.unary_unary(call.path, CallRequest.SerializeToString, CallReply.FromString)
    metadata = bearer(scene.token(scene.people["contributor"].signer))
    with caplog.at_level(logging.WARNING), pytest.raises(grpc.RpcError) as caught:
        unary(CallRequest(protocol=PROTOCOL, json=b"{}"), timeout=30, metadata=metadata)
    sentence = caught.value.details() or ""
    assert sentence.startswith("note needs the role maintainer, and member contributor has the role contributor; ask")
    assert f"note by member contributor was refused: {sentence}" in caplog.messages


def test_reading_may_be_for_members(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(LocalRegistry(scene.folder / "registry")) as local:  # as `registry settings` does it
        local.maintenance.configure("reading", "members")
    readers = [call for call in CALLS.values() if call.method.declaration.role == "reader"]
    assert {scene.status(call, None) for call in readers} == {grpc.StatusCode.UNAUTHENTICATED}
    token = scene.token(scene.people["reader"].signer)
    assert not {scene.status(call, token) for call in readers} & set(REFUSED)
    assert scene.registry.info().reading == "members"  # the owner's connection has a session
    monkeypatch.setenv("RATATOUILLE_HOME", str(scene.folder / "elsewhere"))
    with pytest.raises(Unauthenticated, match="shows its history to members only; join with an invitation"):
        open_registry(scene.url).versions.log()


# -- sessions


def test_a_challenge_is_good_once_for_a_minute_and_here(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    signer, challenge = scene.people["reader"].signer, scene.registry.members.challenge()
    request = SessionRequest(registry=challenge.registry, nonce=challenge.nonce, issued=time.time())
    opened = scene.registry.members.open_session(signer.seal(request))
    assert opened.token not in repr(opened)
    with pytest.raises(Refusal, match="was used already"):
        scene.registry.members.open_session(signer.seal(request))
    with pytest.raises(Refusal, match=r"was used already"):
        scene.registry.members.open_session(scene.people["owner"].signer.seal(request))
    for forged in ("", "00", challenge.nonce.upper(), "0" * len(challenge.nonce)):
        with pytest.raises(Refusal, match=r"not one of this service's last 60 s"):
            scene.token(signer, nonce=forged)
    with pytest.raises(Refusal, match="this was signed for registry 77777777…"):
        scene.token(signer, registry="7" * 32)
    with pytest.raises(Refusal, match="belongs to no member of this registry; join with an invitation"):
        scene.token(Signer.of_seed(b"n" * 32))
    old = scene.registry.members.challenge().nonce
    now = time.time()
    monkeypatch.setattr("registry.challenges.time.time", lambda: now + 61)
    with pytest.raises(Refusal, match=r"not one of this service's last 60 s"):
        scene.token(signer, nonce=old, issued=now + 61)


@pytest.mark.parametrize("minutes", [-6, -4, 4, 6])
def test_a_clock_may_be_wrong_by_five_minutes(scene: Scene, minutes: int) -> None:
    signer, issued = scene.people["reader"].signer, time.time() + 60 * minutes
    if abs(minutes) < 5:
        assert scene.token(signer, issued=issued)
        return
    said = f"your clock is 6 min {'ahead of' if minutes > 0 else 'behind'} the registry's; set it, and try again"
    with pytest.raises(Refusal, match=said):
        scene.token(signer, issued=issued)


def test_a_session_ends_with_its_hour_its_key_or_its_role(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    person = scene.people["maintainer"]
    token = scene.token(person.signer)
    note = to_json({"round": "r", "kind": "k", "subject": "s", "text": "t"})
    assert scene.status(CALLS["note"], token, note) is grpc.StatusCode.OK
    scene.owner.set_role(person.key, "contributor")
    assert scene.status(CALLS["note"], token, note) is grpc.StatusCode.PERMISSION_DENIED
    assert scene.status(CALLS["log"], token) is grpc.StatusCode.OK
    scene.owner.revoke(person.key)
    assert scene.status(CALLS["log"], token) is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(Refusal, match="of maintainer was revoked on"):
        scene.token(person.signer)
    other = scene.token(scene.people["reader"].signer)
    now = time.time()
    monkeypatch.setattr("registry.ledger.members.sessions.time.time", lambda: now + 3601)
    assert scene.status(CALLS["log"], other) is grpc.StatusCode.UNAUTHENTICATED


def test_a_key_that_opens_many_sessions_ends_its_oldest(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SESSIONS_OF_A_KEY", 2)
    tokens = [scene.token(scene.people["reader"].signer) for _ in range(3)]
    found = [scene.status(CALLS["log"], token) for token in tokens]
    assert found == [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.OK, grpc.StatusCode.OK]


def test_a_token_is_in_no_log_and_not_in_the_database(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = scene.token(scene.people["reader"].signer)
    for name in ("log", "note", "push", "fetch"):
        scene.status(CALLS[name], token)
    assert caplog.records
    assert token not in caplog.text
    for path in (scene.folder / "registry").glob("registry.db*"):
        assert token.encode() not in path.read_bytes()


# -- what is signed


def test_what_is_signed_counts_from_its_own_member_or_from_a_maintainer(scene: Scene) -> None:
    anna = scene.people["contributor"]
    node, stranger = Signer.of_seed(b"a" * 32), Signer.of_seed(b"b" * 32)
    anna.add_node(node, "attic")
    tokens = {role: scene.token(person.signer) for role, person in scene.people.items()}

    def withdrawn(signer: Signer, token: str | None) -> grpc.StatusCode:
        lease = signer.seal(Lease(work_id="0" * 64, node=signer.node, issued=time.time()))
        return scene.status(CALLS["lease"], token, to_json({"sealed": lease}))

    reached = grpc.StatusCode.FAILED_PRECONDITION  # the lease names no data
    assert withdrawn(node, tokens["contributor"]) is reached
    assert withdrawn(stranger, tokens["contributor"]) is grpc.StatusCode.PERMISSION_DENIED
    assert withdrawn(scene.people["maintainer"].signer, tokens["contributor"]) is grpc.StatusCode.PERMISSION_DENIED
    assert withdrawn(stranger, tokens["maintainer"]) is reached
    assert withdrawn(node, None) is grpc.StatusCode.UNAUTHENTICATED


# -- homes


def in_home(folder: Path, url: str, code: str) -> subprocess.CompletedProcess[str]:
    """Some Python with the registry `r`, in a process of another home."""
    script = f"from registry.opening import open_registry\nr = open_registry({url!r})\n{code}"
    environment = {**os.environ, "RATATOUILLE_HOME": str(folder)}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


NOTE = "r.rounds.note('r', 'k', 's', 't')"


def note(registry: Registry) -> None:
    registry.rounds.note("r", "k", "s", "t")


def test_the_own_home_is_the_owner_and_another_one_a_stranger_who_may_read(scene: Scene) -> None:
    own = in_home(home(), scene.url, NOTE)
    assert (own.returncode, own.stderr) == (0, "")
    other = in_home(scene.folder / "elsewhere", scene.url, f"print(len(r.rounds.events()))\n{NOTE}")
    events = len(scene.registry.rounds.events())
    assert (other.returncode, other.stdout) == (1, f"{events}\n")
    assert "note needs the role maintainer, and without a session you may only read" in other.stderr


def test_the_owners_key_is_its_users_alone_and_goes_with_the_service(scene: Scene) -> None:
    address = Address.parse(scene.url)
    path = owner_key_file(address.port)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    found = read_owner_key(address)
    assert found is not None
    assert found.seed not in repr(found)
    assert read_owner_key(Address("::1", address.port, encrypted=False)) is None, "another program may listen there"
    assert literal(f"grpc://localhost:{address.port}") == scene.url
    path.chmod(0o640)
    with pytest.raises(Refusal, match="open to others, so it is not believed; remove that file"):
        note(open_registry(scene.url))
    path.chmod(0o600)
    scene.service.stop(grace=1)
    assert not path.exists()


def test_a_key_that_a_dead_service_left_behind_opens_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, port = owner_key_file(Address.parse(scene.url).port), Address.parse(scene.url).port
    left = path.read_bytes()
    scene.service.stop(grace=1)
    path.write_bytes(left)
    path.chmod(0o600)
    with monkeypatch.context() as other:
        other.setenv("RATATOUILLE_HOME", str(tmp_path / "elsewhere"))
        started = RegistryServer(tmp_path / "another", port=port)
        started.start()
    assert open_registry(scene.url).versions.log() == []
    with pytest.raises(Refusal, match=f"is for registry {scene.id[:8]}…, and .* answers at {scene.url}"):
        note(open_registry(scene.url))
    started.stop(grace=1)


def test_a_connection_outlives_its_service_with_a_new_session(scene: Scene) -> None:
    note(scene.registry)
    scene.service.stop(grace=1)
    scene.service = RegistryServer(scene.folder / "registry", port=Address.parse(scene.url).port)
    scene.service.start()
    once_reachable(lambda: note(scene.registry))
    world = World(scene.registry, scene.folder, scene.owner.signer)
    scene.service.stop(grace=1)
    scene.service = RegistryServer(scene.folder / "registry", port=Address.parse(scene.url).port)
    scene.service.start()
    once_reachable(world.define)
    assert world.foundation().version


def test_a_member_needs_nothing_but_the_key_of_their_home(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = at_home(scene, scene.people["contributor"], monkeypatch)
    world = World(anna, scene.folder, scene.people["contributor"].signer)
    anna.definitions.define_architecture(NETWORK)
    made = world.foundation()
    assert anna.weights.fetch(str(made.featurizer)).exists()
    with pytest.raises(Forbidden, match="member contributor has the role contributor"):
        note(anna)
    enter_federation(Federation(address=scene.url, registry="7" * 32, name="anna", role="owner"), None)
    with pytest.raises(Refusal, match=f"what this home has joined is for registry 77777777…, and {scene.id[:8]}…"):
        note(open_registry(scene.url))


def test_sessions_are_opened_when_they_are_needed_and_renewed_before_they_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = open_registry(scene.url)

    def count() -> int:
        with closing(LocalRegistry(scene.folder / "registry")) as local, local.storage.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(SessionRow)).scalar_one())

    before = count()
    registry.versions.log()
    list(islice(registry.rounds.watch(after=0), 1))
    assert count() == before
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: note(registry), range(16)))
    registry.versions.log()
    assert count() == before + 1
    monkeypatch.setattr("registry.transport.credentials.RENEW_SECONDS", sessions.SESSION_SECONDS + 1)
    note(registry)
    assert count() == before + 2


# -- calls that last


def test_why_something_signed_is_refused_is_logged_once_a_minute_for_each_reason(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    for seed in (b"y", b"z"):
        with pytest.raises(Unauthenticated):
            scene.token(Signer.of_seed(32 * seed))
    with pytest.raises(Refusal):
        scene.token(scene.owner.signer, issued=time.time() - 3600)
    with pytest.raises(Refusal):
        scene.registry.versions.show("5" * 64)
    said = [one.getMessage().partition(" was refused: ") for one in caplog.records if one.name == "registry"]
    assert {before for before, _, _ in said} == {f"open_session by user {os.getuid()}"}, "nothing of who only reads"
    assert [re.sub("[0-9a-f]{12}", "#", after).split(";")[0] for _, _, after in said] == [
        "key #… belongs to no member of this registry",
        "your clock is 60 min behind the registry's",
    ]


def test_a_revocation_in_the_middle_of_a_large_push_ends_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    person = scene.people["contributor"]
    registry = at_home(scene, person, monkeypatch)
    world = World(registry, scene.folder, person.signer)
    receipt, files = a_large_import(world)
    over = threading.Event()
    revoked: list[float] = []

    def progress(done: int, total: int) -> None:
        if not revoked and done > total // 2:
            scene.owner.revoke(person.key, message="left")
            revoked.append(time.monotonic())
            over.wait(60)  # the push waits for its bytes, and is ended meanwhile

    with pytest.raises(Unreachable, match="push was ended by the registry"):
        registry.weights.push(world.seal(receipt), files, progress)
    assert revoked
    over.set()
    with pytest.raises(Refusal, match="of contributor was revoked on"):
        registry.weights.push(world.seal(receipt), files)
    assert scene.registry.work.results([receipt.work_id]) == {}


def test_a_watcher_whose_key_is_revoked_hears_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(LocalRegistry(scene.folder / "registry")) as local:
        local.maintenance.configure("reading", "members")
    anna = at_home(scene, scene.people["reader"], monkeypatch)
    events = anna.rounds.watch(after=0)
    assert next(events).number == 1
    scene.owner.revoke(scene.people["reader"].key)
    with pytest.raises(RatatouilleError):
        for _ in events:
            pass
