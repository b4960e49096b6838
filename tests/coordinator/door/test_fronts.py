"""What passes a front door, and what does not: ours, and nginx and Caddy as `coordinator proxy` configures them."""

import hashlib
import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.registry.weights import architecture, model
from coordinator.door.config import FLEET_PATHS, LONGEST_BODY, LoopbackPorts
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.signing import Signer
from registry.enrolment import enrol
from registry.opening import open_registry
from registry.proto.registry_pb2 import CallRequest
from registry.services.registry import METHODS
from tests.coordinator.door.own_proxies import NGINX, front
from tests.coordinator.door.scene import Front, behind
from tests.registry.person import Person
from tests.registry.tokens import token_of

KINDS = ("door", "nginx", "caddy")
FLEET = {"content_type": "application/protobuf"}
NOTHING = (404, "there is nothing here\n")
REFUSED = (
    f"/ratatouille.registry.v1.{one.service.__name__}/{name.title().replace('_', '')}"
    for name, one in METHODS.items()
    if one.declaration.role == "maintainer"
)
"""Methods that strangers may not call; each is used once, since the log has one line a minute for each and a caller."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of the coordinator's user."""
    home = tmp_path_factory.mktemp("fronts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATATOUILLE_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def services(home: Path) -> Iterator[LoopbackPorts]:
    with behind(home, os.getuid()) as (services, _):
        yield services


@pytest.fixture(scope="module", params=KINDS)
def scene(request: pytest.FixtureRequest, home: Path, services: LoopbackPorts) -> Iterator[Front]:
    if request.param == "nginx" and NGINX is None:
        pytest.skip("there is no nginx")
    with front(request.param, home / request.param, services) as scene:
        yield scene


def test_the_fleet_s_ten_calls_and_the_pages_arrive(scene: Front) -> None:
    nodes = ("activate-node", "deactivate-node", "send-node-heartbeat", "confirm-message-received")
    moved = [f"{way}-{what}" for way in ("pull", "push") for what in ("messages", "object")]
    assert {*FLEET_PATHS} == {f"/v1/fleet/{call}" for call in (*nodes, *moved, "get-fab", "get-run")}
    for path in FLEET_PATHS:
        answer = scene.ask("POST", path, b"", **FLEET)
        assert answer.status not in (403, 404, 413, 421, 502, 503), (path, answer.status)
    for path in ("/", "/?page=2", "/releases", "/live", "/static/icon.svg", "/contributors?sort=name", "/favicon.ico"):
        assert scene.ask("GET", path).status == 200, path
    assert scene.ask("GET", "/versions/none").status == 404, "the page's own answer"


OTHERS = [
    *("/v1/fleet/register-node", "/v1/fleet/unregister-node", "/v1/fleet/", "/v1/fleet/pull-messages/"),
    *("/v1/control/start-run", "/v1/control/list-nodes", "/v1/control/register-node", "/v1/runtime/acquire-task"),
    *("/V1/fleet/pull-messages", "/v1/FLEET/pull-messages", "/v1/fleet/Pull-Messages", "/v1/fleet/PULL-MESSAGES"),
    *("//v1/fleet/pull-messages", "/v1//fleet/pull-messages", "/./v1/fleet/pull-messages"),
    *("/x/../v1/fleet/pull-messages", "/v1/fleet/pull%2Dmessages", "/v1/fleet/%70ull-messages"),
    *("/v1%2Ffleet%2Fpull-messages", "/v1/fleet/pull-messages?a=b", "/v1/fleet/pull-messages;a"),
    *("/v1/fleet/../control/start-run", "/v1/fleet/%2e%2e/control/start-run", "/v1/fleet/pull-messages/../../control/"),
    *("/docs", "/redoc", "/openapi.json", "/health", "/healthz", "/metrics", "/ready", "/join/", "/join/root.key"),
    *("/join/../storage/pki/authorities/local/root.key", "/JOIN/authority.pem", "/Releases", "//releases"),
    *("/ratatouille.registry.v1.Versions/Log", "/grpc.health.v1.Health/Check", "/flwr.proto.Control/StartRun"),
]


@pytest.mark.parametrize("path", OTHERS)
def test_nothing_else_arrives(scene: Front, path: str) -> None:
    for method in ("POST", "GET"):
        answer = scene.ask(method, path, b"", **FLEET)
        assert (answer.status, answer.text) == NOTHING, method  # type: ignore[attr-defined]
    for path in FLEET_PATHS:
        assert scene.ask("GET", path).status == 404, "a fleet call is a POST"


def channel(scene: Front) -> grpc.Channel:
    return grpc.secure_channel(f"127.0.0.1:{scene.port}", grpc.ssl_channel_credentials(scene.authority.encode()))


def test_the_registry_is_reached_with_its_authority_and_no_other_service_is(
    scene: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = scene.ask("GET", "/join/authority.pem").text  # type: ignore[attr-defined]
    assert pem.strip() == scene.authority.strip()
    (tmp_path / "authority.pem").write_text(pem)
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    registry = open_registry(f"grpcs://127.0.0.1:{scene.port}")
    assert registry.info().software.startswith("ratatouille")
    registry.close()
    with channel(scene) as wire:
        for path in ("/ratatouille.registry.v2.Versions/Log", "/RATATOUILLE.registry.v1.Versions/Log"):
            with pytest.raises(grpc.RpcError) as refused:
                wire.unary_unary(path, None, None)(b"", timeout=60)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED, path
        with pytest.raises(grpc.RpcError) as refused:
            health_pb2_grpc.HealthStub(wire).Check(health_pb2.HealthCheckRequest(), timeout=60)
        assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_body_of_a_mebibyte_arrives_and_a_byte_more_does_not(scene: Front) -> None:
    path = "/v1/fleet/pull-messages"
    assert scene.ask("POST", path, bytes(LONGEST_BODY), **FLEET).status not in (403, 404, 413, 421, 502, 503)
    assert scene.ask("POST", path, bytes(LONGEST_BODY + 1), **FLEET).status == 413


def test_a_member_pushes_and_fetches_weights_through_it(
    scene: Front, services: LoopbackPorts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_registry(f"grpc://127.0.0.1:{services.registry}")) as own:
        pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(scene.authority)).hexdigest()
        invitation = Person(own, 1, "owner").invite(f"grpcs://127.0.0.1:{scene.port}", pin, role="maintainer")
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path))
    enrol(invitation, f"anna-{scene.port}")
    signer, network = Signer.open(tmp_path / "key"), architecture(1_000_000)
    with closing(open_registry(invitation.address, cache=tmp_path / "cache")) as registry:
        registry.definitions.define_architecture(network)
        sealed, files = model(signer, network, scene.port, tmp_path)
        assert registry.weights.push(sealed, files).version is not None
        ((digest, path),) = files.items()
        assert registry.weights.fetch(digest).read_bytes() == path.read_bytes()


def test_the_cookie_of_a_browser_that_logs_in_is_sent_by_tls_only(scene: Front, services: LoopbackPorts) -> None:
    with closing(open_registry(f"grpc://127.0.0.1:{services.registry}")) as own:
        person = Person(own, scene.port, f"rita-{scene.port}").joined(Person(own, 1, "owner"))
        link = f"/login/{token_of(own, person.signer)}"
    entered = scene.ask("GET", link, x_forwarded_proto="http")
    assert entered.status == 303
    assert "secure" in str(entered.headers["set-cookie"]).lower()


def test_who_calls_is_what_it_sees_and_not_what_the_caller_says(scene: Front, caplog: pytest.LogCaptureFixture) -> None:
    assert refused(scene, caplog, "198.51.100.7") == "127.0.0.1"


@pytest.mark.parametrize("kind", KINDS)
def test_only_load_balancers_that_were_named_are_believed_about_the_caller(
    kind: str, services: LoopbackPorts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "nginx" and NGINX is None:
        pytest.skip("there is no nginx")
    forged = "203.0.113.1, 198.51.100.8"
    with front(kind, tmp_path / "a", services, trusted=("127.0.0.0/8",)) as believing:
        assert refused(believing, caplog, forged) == "198.51.100.8", "what a caller adds before it is not believed"
    with front(kind, tmp_path / "b", services, trusted=("198.51.100.0/24",)) as other:
        assert refused(other, caplog, forged) == "127.0.0.1"


def refused(scene: Front, caplog: pytest.LogCaptureFixture, forwarded: str) -> str:
    """The address of a caller who says that it is another one, as the registry's log has it."""
    caplog.clear()
    said = (("x-forwarded-for", forwarded), ("x-real-ip", forwarded), ("forwarded", f"for={forwarded}"))
    call = CallRequest(protocol=PROTOCOL, json=b"{}").SerializeToString()
    with channel(scene) as wire, caplog.at_level(logging.WARNING, "registry"), pytest.raises(grpc.RpcError) as error:
        wire.unary_unary(next(REFUSED), None, None)(call, timeout=60, metadata=said)
    assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
    (line,) = [record.getMessage() for record in caplog.records if "was refused" in record.getMessage()]
    return line.partition(" by ")[2].partition(" was refused")[0]
