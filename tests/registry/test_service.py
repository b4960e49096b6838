"""The service as people run it: a process that is started, asked by several others, stopped and killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.weights.architecture import Architecture, Tensor
from registry.maintainer import Maintainer
from registry.opening import open_registry
from registry.proto.registry_pb2 import CallReply, CallRequest
from registry.records import LogQuery, Result
from registry.server import RegistryServer
from registry.services.maintenance import Maintenance
from registry.transport.wire import CALLS, PACKAGE, SERVICE, SOFTWARE
from tests.registry.conftest import Start
from tests.registry.world import World

ROOT = Path(__file__).parents[2]
LARGE = Architecture(
    name="large",
    input_size=8,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    padding="same",
    width=3,
    featurizer=tuple(Tensor(name=f"layer{i}.weight", shape=(2048, 1024)) for i in range(8)),
)
"""64 MiB: large enough to be killed in the middle."""


def a_world(url: str, folder: Path) -> World:
    (folder / "files").mkdir(parents=True, exist_ok=True)
    world = World(open_registry(url, cache=folder / "cache"), folder / "files", Signer.open(folder / "node.key"))
    world.define()
    return world


def a_large_import(world: World, seed: int = 0) -> tuple[Receipt, dict[str, Path]]:
    world.registry.definitions.define_architecture(LARGE)
    generator = np.random.default_rng(seed)
    digest, path = world.file(
        {tensor.name: generator.standard_normal(tensor.shape, dtype=np.float32) for tensor in LARGE.featurizer}
    )
    work = Import(architecture=LARGE.digest, featurizer=digest, source=f"seed {seed}")
    return Receipt(assignment=work, node=world.signer.node, featurizer=digest), {digest: path}


def memory(pid: int, what: str) -> int:
    """Bytes of memory that a process has now (VmRSS) or had at most (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def script(name: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "tests" / "registry" / name), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_killed_in_the_middle_of_a_push_it_goes_on_after_a_restart_and_acknowledges_once(
    make_service: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "registry"
    first = make_service(folder)
    world = a_world(first.url, tmp_path)
    receipt, files = a_large_import(world)
    digest = str(receipt.featurizer)
    partial = folder / "receiving" / digest

    def kill(done: int, total: int) -> None:
        if done > total // 2:
            first.end(signal.SIGKILL)

    with pytest.raises(Unreachable):
        world.registry.weights.push(world.seal(receipt), files, kill)
    arrived = partial.stat().st_size
    assert 0 < arrived < files[digest].stat().st_size
    assert not (folder / "blobs" / digest[:2] / digest).exists()

    second = make_service(folder, int(first.url.rsplit(":", 1)[1]))
    assert world.registry.versions.log() == []
    with pytest.raises(Refusal, match="not known here"):
        world.registry.weights.fetch(digest)
    sent: list[int] = []
    result = world.registry.weights.push(world.seal(receipt), files, lambda done, total: sent.append(done))
    assert sent[0] > arrived
    assert world.registry.weights.push(world.seal(receipt), files) == result
    assert [event.kind for event in world.registry.rounds.events()] == ["version"]
    assert world.registry.versions.verify(str(result.version)).ok
    assert list((folder / "receiving").iterdir()) == []
    assert second.end() == 0


def test_four_publishers_at_once_lose_nothing(make_service: Start, tmp_path: Path) -> None:
    service = make_service()
    world = a_world(service.url, tmp_path)
    start = world.probed()
    receipts = []
    for seed in range(24):
        receipt, _ = world.fine_tune(start, seed)
        world.lease(receipt)
        path = tmp_path / f"{seed}.json"
        path.write_bytes(world.seal(receipt).to_json())
        receipts.append(path)
    # each is pushed by two of them
    shares = [receipts[:12], receipts[12:], receipts[6:18], receipts[18:] + receipts[:6]]
    publishers = [
        script("publisher.py", service.url, tmp_path / f"cache{i}", tmp_path / "files", *share)
        for i, share in enumerate(shares)
    ]
    answers: dict[str, set[str | None]] = {}
    for publisher in publishers:
        output, errors = publisher.communicate(timeout=60)
        assert publisher.returncode == 0, errors
        for line in output.splitlines():
            result = Result.from_json(line)
            answers.setdefault(result.work_id, set()).add(result.version)
    assert len(answers) == 24
    assert all(len(versions) == 1 for versions in answers.values())
    assert len(world.registry.versions.log(LogQuery(kind="fine_tune"), limit=100)) == 24
    assert list((service.folder / "receiving").iterdir()) == []


def test_weights_stream_both_ways_in_little_memory_and_a_broken_fetch_goes_on(
    make_service: Start, tmp_path: Path
) -> None:
    service = make_service()
    world = a_world(service.url, tmp_path)
    receipt, files = a_large_import(world)
    digest = str(receipt.featurizer)
    before = memory(service.pid, "VmRSS")
    world.registry.weights.push(world.seal(receipt), files)

    class BreakError(Exception):
        pass

    def give_up(done: int, total: int) -> None:
        if done > total // 2:
            raise BreakError

    with pytest.raises(BreakError):
        world.registry.weights.fetch(digest, give_up)
    fetched: list[int] = []
    path = world.registry.weights.fetch(digest, lambda done, total: fetched.append(done))
    assert path.read_bytes() == files[digest].read_bytes()
    assert fetched[0] > files[digest].stat().st_size // 2
    assert list((tmp_path / "cache" / "receiving").iterdir()) == []
    assert memory(service.pid, "VmHWM") - before < 48 * 2**20


def test_it_says_where_it_listens_answers_health_checks_and_drains_at_sigterm(
    make_service: Start, tmp_path: Path
) -> None:
    service = make_service()
    assert "without TLS" in service.line
    with grpc.insecure_channel(service.url.removeprefix("grpc://")) as channel:
        reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=SERVICE))
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
    world = a_world(service.url, tmp_path)
    receipt, files = a_large_import(world)
    told = threading.Event()

    def terminate(done: int, total: int) -> None:
        if not told.is_set():
            told.set()
            os.kill(service.pid, signal.SIGTERM)

    assert world.registry.weights.push(world.seal(receipt), files, terminate).version is not None
    assert service.end() == 0
    with pytest.raises(Unreachable, match="no registry answers at grpc://"):
        world.registry.info()


def test_answers_that_do_not_fit_one_message_come_in_several(
    beginning: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(beginning / "registry", tmp_path / "registry")
    with closing(open_registry(tmp_path / "registry")) as local:
        asked = [entry.work_id for entry in local.versions.log()]
        expected = local.work.results(asked)
    assert len(expected) == 2
    monkeypatch.setattr("registry.transport.client.CHANNEL_OPTIONS", (("grpc.max_receive_message_length", 900),))
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        assert registry.work.results(asked) == expected
    service.stop(grace=5)


def test_a_folder_that_cannot_be_swept_is_served_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "registry" / "receiving" / "strange").mkdir(parents=True)
    os.utime(tmp_path / "registry" / "receiving" / "strange", (1, 1))
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        assert registry.rounds.rounds() == []
    service.stop(grace=5)


def test_a_taken_port_and_a_public_address_are_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refusal, match=f"port {port} of 127.0.0.1 is taken"):
            RegistryServer(tmp_path / "registry", port=port)
        command = [sys.executable, "-m", "registry.server", "--folder", str(tmp_path / "other"), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith(f"port {port} of 127.0.0.1 is taken")
    with pytest.raises(Refusal, match="is not this machine's loopback"):
        RegistryServer(tmp_path / "registry", host="0.0.0.0")


@pytest.mark.parametrize("all_in_one", [False, True])
def test_only_declared_methods_can_be_called_and_only_as_they_are(tmp_path: Path, all_in_one: bool) -> None:
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with grpc.insecure_channel(service.address.removeprefix("grpc://")) as channel:
        for path, method, arguments, code, sentence in (
            ("Maintenance/Configure", "configure", b"{}", grpc.StatusCode.UNIMPLEMENTED, "does not know '"),
            ("Weights/Stream", "stream", b"{}", grpc.StatusCode.UNIMPLEMENTED, "does not know '"),
            ("Registry/Close", "close", b"{}", grpc.StatusCode.UNIMPLEMENTED, "does not know '"),
            (
                "Versions/Log",
                "log",
                b'{"limit":"5"}',
                grpc.StatusCode.INVALID_ARGUMENT,
                "limit: input should be a valid",
            ),
            ("Versions/Log", "log", b'{"limits":5}', grpc.StatusCode.INVALID_ARGUMENT, "limits: extra inputs are not"),
            ("Versions/Log", "log", b"{", grpc.StatusCode.INVALID_ARGUMENT, "log cannot be called like this"),
            (
                "Versions/Resolve",
                "resolve",
                b'{"revision":"x"}',
                grpc.StatusCode.FAILED_PRECONDITION,
                "there is no alias",
            ),
        ):
            full = f"/{SERVICE}/Call" if all_in_one else f"/{PACKAGE}.{path}"
            call = channel.unary_unary(full, CallRequest.SerializeToString, CallReply.FromString)
            with pytest.raises(grpc.RpcError) as caught:
                call(CallRequest(protocol=PROTOCOL, method=method if all_in_one else "", json=arguments))
            assert caught.value.code() == code
            assert sentence in str(caught.value.details())
    service.stop(grace=1)


def test_settings_are_for_the_registry_s_own_process(tmp_path: Path) -> None:
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        assert isinstance(registry.maintenance, Maintenance)
        with pytest.raises(Refusal, match="configure works in a registry's own folder"):
            registry.maintenance.configure("reserve_bytes", 0)
    service.stop(grace=1)


@pytest.mark.parametrize(("theirs", "older"), [(PROTOCOL - 1, "your software"), (PROTOCOL + 1, "this registry")])
def test_another_protocol_is_refused_by_every_call_with_what_to_type(
    tmp_path: Path, theirs: int, older: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = RegistryServer(tmp_path / "registry")
    service.start()
    monkeypatch.setattr("registry.transport.client.PROTOCOL", theirs)
    sentence = (
        f"your software speaks protocol {theirs}, this registry {PROTOCOL}; "
        f"upgrade {older}: pip install --upgrade model-ratatouille"
    )
    signer = Signer.open(tmp_path / "key")
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        for ask in (
            registry.info,
            lambda: registry.weights.fetch("0" * 64),
            lambda: registry.weights.push(signer.seal(Receipt.model_construct()), {}),
            lambda: next(registry.rounds.watch()),
        ):
            with pytest.raises(Refusal) as caught:
                ask()
            assert str(caught.value) == sentence
    service.stop(grace=1)


@pytest.mark.parametrize(
    ("theirs", "older"),
    [
        ("", "upgrade yours:"),
        ("0.0.9", "upgrade yours (0.0.9):"),
        ("99.1", "upgrade it:"),
        (SOFTWARE, "the older side:"),
    ],
)
def test_a_method_that_is_not_known_says_which_side_to_upgrade(tmp_path: Path, theirs: str, older: str) -> None:
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with grpc.insecure_channel(service.address.removeprefix("grpc://")) as channel:
        for path, method, arguments in (
            ("Versions/of_tomorrow", "", b"{}"),
            ("Versions/Log", "", b'{"of_tomorrow":1}'),
            ("Registry/Call", "of_tomorrow", b"{}"),
            ("Registry/Call", "log", b'{"of_tomorrow":1}'),
        ):
            call = channel.unary_unary(f"/{PACKAGE}.{path}", CallRequest.SerializeToString, CallReply.FromString)
            with pytest.raises(grpc.RpcError) as caught:
                call(CallRequest(protocol=PROTOCOL, method=method, json=arguments, software=theirs))
            said = str(caught.value.details())
            assert "of_tomorrow" in said
            if arguments == b"{}" or theirs != SOFTWARE:
                assert said.endswith(f"{older} pip install --upgrade model-ratatouille")
    service.stop(grace=1)


def test_tools_find_the_calls_and_messages_by_reflection(tmp_path: Path) -> None:
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with grpc.insecure_channel(service.address.removeprefix("grpc://")) as channel:
        described = ProtoReflectionDescriptorDatabase(channel)
        assert SERVICE in described.get_services()
        found = DescriptorPool(described).FindServiceByName(SERVICE)
        assert sorted(found.methods_by_name) == ["Call", "Fetch", "Info", "Push", "Watch"]
        assert "software" in found.methods_by_name["Call"].input_type.fields_by_name
        for call in CALLS.values():
            name, _, method = call.path.removeprefix("/").partition("/")
            assert name in described.get_services()
            assert method in DescriptorPool(described).FindServiceByName(name).methods_by_name
    service.stop(grace=1)


def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    registry = open_registry(f"grpc://127.0.0.1:{port}", cache=tmp_path)
    with pytest.raises(Unreachable, match=f"no registry answers at grpc://127.0.0.1:{port}"):
        registry.versions.log()  # after the call's deadline it would be another sentence
    registry.close()


def test_a_service_over_a_folder_that_is_in_use_sees_what_others_write(tmp_path: Path) -> None:
    service = RegistryServer(tmp_path / "registry")
    service.start()
    beside, through = (
        a_world(str(tmp_path / "registry"), tmp_path),
        open_registry(service.address, cache=tmp_path / "c"),
    )
    version = str(beside.probed().version)
    assert through.versions.resolve(version[:10]) == version
    Maintainer(through, beside.signer).release(version)
    assert beside.registry.releases.aliases() == {"latest": version}
    through.close()
    beside.registry.close()
    service.stop(grace=1)
