"""A program of somebody on another host, who reaches nothing but a front door and tries what others might.

`python attacker.py PART` reads one JSON object from standard input and prints another: what each attempt came to. The
parts are functions of this file: `stranger` has no key of a member, `reader` may read, `member` is a contributor with a
node, `captured` has read on its way what another node sends, `pusher` pushes until it is ended. The test knows more
than an attacker would, and says it: numbers of Flower, and records that others signed.
"""

import http.client
import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import Message
from flwr.app.message.message import make_message
from flwr.app.metadata import Metadata
from flwr.common.serde import message_to_proto
from flwr.proto import fleet_pb2, message_pb2
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.interceptors.http.utils import add_headers
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from ratatouille.addresses import Address
from ratatouille.errors import RatatouilleError
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.bundle import WORK, pack
from ratatouille.exchange.change import Move
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.member_changes import Enrolment, invitation_id
from ratatouille.exchange.membership import Lease, LeaseReturn, Offer, OfferWithdrawal
from ratatouille.exchange.order import Hint
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.session import SessionRequest
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.home import home
from ratatouille.invitation import new_secret
from ratatouille.record import sha256
from registry.member_signer import MemberSigner
from registry.opening import open_registry
from registry.proto.registry_pb2 import CallReply, CallRequest
from registry.services.registry import Registry
from registry.transport.wire import CALLS, PACKAGE

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks"))  # another package of this environment is named `tests`
from stranger import attempts, statuses  # type: ignore[import-not-found]

Aims = dict[str, Any]
GIBIBYTE, PIECE = 2**30, 2**20
PULL = "/v1/fleet/pull-messages"
SOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
TRICKS = {
    "two lengths": f"POST {PULL} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nabcde",
    "a length and chunks": f"POST {PULL} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
    "0\r\n\r\nPOST /v1/control/list-nodes HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "another encoding": f"POST {PULL} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": f"POST {PULL} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a web socket to the fleet": f"POST {PULL} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{SOCKET}\r\n",
    "a web socket to control": f"GET /v1/control/start-run HTTP/1.1\r\nHost: x\r\n{SOCKET}\r\n",
    "HTTP/2 in clear": f"POST {PULL} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nContent-Length: 0\r\n\r\n",
    "a whole address": "POST http://127.0.0.1/v1/control/list-nodes HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "CONNECT": "CONNECT 127.0.0.1:9291 HTTP/1.1\r\nHost: 127.0.0.1:9291\r\n\r\n",
    "other names of the path": "GET / HTTP/1.1\r\nHost: x\r\nX-Original-URL: /v1/control/list-nodes\r\n"
    "X-Rewrite-URL: /v1/control/list-nodes\r\nX-HTTP-Method-Override: POST\r\n\r\n",
    "a placeholder of Caddy's": "GET /{file./etc/passwd} HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long head": "GET / HTTP/1.1\r\nHost: x\r\n" + f"X: {1000 * 'a'}\r\n" * 60 + "\r\n",
    "gRPC over HTTP/1": f"POST /{PACKAGE}.Members/Challenge HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\n"
    "Content-Length: 0\r\n\r\n",
}


class Way:
    """The way to a front door."""

    def __init__(self, aims: Aims) -> None:
        self.address: str = aims["address"]
        parsed = Address.parse(self.address)
        self.name, self.port = parsed.host, parsed.port
        self.authority: bytes = aims["authority"].encode()
        self.context = ssl.create_default_context(cadata=aims["authority"])

    def connect(self, alpn: str = "http/1.1") -> ssl.SSLSocket:
        """A connection with TLS."""
        context = ssl.create_default_context(cadata=self.authority.decode())
        context.set_alpn_protocols([alpn])
        return context.wrap_socket(self.plain(), server_hostname=self.name)

    def plain(self) -> socket.socket:
        """A connection without TLS."""
        return socket.create_connection((self.name, self.port), timeout=60)

    def channel(self) -> grpc.Channel:
        """A connection of gRPC of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.secure_channel(f"{self.name}:{self.port}", grpc.ssl_channel_credentials(self.authority), options)

    def fleet(self, *interceptors: Any) -> FleetHttpClient:
        """Flower's own client, as a SuperNode uses it."""
        versions = RuntimeVersionHttpInterceptor(component_name="flwr-supernode")
        return FleetHttpClient.from_server_address(
            f"{self.name}:{self.port}", False, self.authority, [versions, *interceptors]
        )


def told(attempt: Callable[[], Any]) -> str:
    """What an attempt came to: the reason why it was refused, or what it got."""
    try:
        return f"got {attempt()}"[:300]
    except httpx.HTTPStatusError as error:
        return f"status {error.response.status_code}"
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    except RatatouilleError as error:
        return f"{type(error).__name__}: {error}"
    except (httpx.HTTPError, ValueError, OSError) as error:
        return type(error).__name__


def call(channel: grpc.Channel, name: str, arguments: Any, **metadata: str) -> bytes:
    """A call of the registry with any metadata."""
    ask = channel.unary_unary(CALLS[name].path, CallRequest.SerializeToString, CallReply.FromString)
    shown = tuple((key.replace("_", "-"), value) for key, value in metadata.items())
    reply = ask(CallRequest(protocol=PROTOCOL, json=json.dumps(arguments).encode()), timeout=60, metadata=shown)
    return bytes(reply.json)


def stranger(aims: Aims) -> Aims:
    """Somebody with keys that nobody knows."""
    way, key = Way(aims), Signer.of_seed(b"m" * 32)
    connect = partial(http.client.HTTPSConnection, way.name, way.port, context=way.context, timeout=60)
    front = f"{way.name}:{way.port}"
    with closing(open_registry(way.address)) as registry, way.channel() as channel:
        return {
            "paths": statuses(connect, {}),
            "attempts": attempts(front, aims, [], way.authority),
            "tricks": {name: _answered(way, text) for name, text in TRICKS.items()},
            "fleet": _fleet(way, aims["node"], aims["run"], _interceptor(ec.generate_private_key(ec.SECP384R1()))),
            "registry": _by_key(registry, key, aims) | _guesses(registry, key),
            "forged": {
                "token": told(lambda: call(channel, "flower_keys", {}, authorization=f"Bearer {'A' * 43}")),
                "address": told(lambda: call(channel, "flower_keys", {}, x_forwarded_for="192.0.2.1", forwarded="x")),
            },
        }


def operator(aims: Aims) -> Aims:
    """The coordinator's own owner, on its own host: submits a bundle that is not ours, or stops its run."""
    from coordinator.control import Control
    from coordinator.superlink import SuperLinkSettings
    from ratatouille.processes.secret import Secret

    settings = SuperLinkSettings(Path(aims["folder"]), aims["port"], public=True)
    with closing(Control(settings.address, Secret.open(settings.secret), settings.tls)) as control:
        if "stop" in aims:
            return {"stopped": control.stop(aims["stop"])}
        return {"run": control.submit("foreign", json.dumps(aims["settings"]), bundle=bytes.fromhex(aims["bundle"]))}


def reader(aims: Aims) -> Aims:
    """Somebody who joined as a reader."""
    with closing(open_registry(aims["address"])) as registry:
        return _by_key(registry, Signer.open(home() / "key"), aims)


def member(aims: Aims) -> Aims:
    """A contributor with a node of their own, who wants something of another's."""
    way, device, node = Way(aims), Signer.open(home() / "key"), Signer.of_seed(b"n" * 32)
    flower = ec.generate_private_key(ec.SECP384R1())
    hers, lease = aims["key"], Sealed.from_json(json.dumps(aims["lease"]))
    forged = lease.model_copy(update={"body": json.dumps(json.loads(lease.body) | {"seconds": 600.0})})
    with closing(open_registry(way.address)) as registry, way.channel() as channel:
        work = registry.work
        public = flower.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        MemberSigner(registry, device, "mallory").add_node(node, "mallory", public)
        (offer,) = (one for one in work.offers() if one.node == hers)
        copied = Offer(node=node.node, name="mallory", holdings=offer.holdings, proofs=offer.proofs, issued=time.time())
        (held,) = (one for one in work.leases() if one.node == hers)
        challenge = registry.members.challenge()
        request = SessionRequest(registry=challenge.registry, nonce=challenge.nonce, issued=time.time())
        token = {"authorization": f"Bearer {aims['token']}"}
        given = LeaseReturn(work_id=held.work_id, node=hers, issued=time.time())
        taken = held.model_copy(update={"node": node.node, "issued": time.time()})
        return (
            _by_key(registry, device, aims)
            | {
                "her lease again": told(lambda: work.lease(lease)),
                "her lease in her name": told(
                    lambda: work.lease(node.seal(held.model_copy(update={"issued": time.time()})))
                ),
                "her work as mine": told(lambda: work.lease(node.seal(taken))),
                "her lease given back": told(lambda: work.release(node.seal(given))),
                "her offer withdrawn": told(
                    lambda: work.withdraw_offer(node.seal(OfferWithdrawal(node=hers, issued=time.time())))
                ),
                "her data offered": told(lambda: work.offer(node.seal(copied))),
                "a challenge": told(lambda: registry.members.open_session(device.seal(request)).role),
                "a challenge again": told(lambda: registry.members.open_session(device.seal(request)).role),
                "her call with another body": told(
                    lambda: call(channel, "lease", {"sealed": forged.model_dump(mode="json")}, **token)
                ),
                "her call with my body": told(
                    lambda: call(channel, "lease", {"sealed": node.seal(taken).model_dump(mode="json")}, **token)
                ),
                "her session for a release": told(
                    lambda: call(
                        channel, "move_alias", {"sealed": _move(device, aims).model_dump(mode="json")}, **token
                    )
                ),
            }
            | {f"fleet {name}": said for name, said in _as_hers(way, aims, flower).items()}
        )


def captured(aims: Aims) -> Aims:
    """Somebody who read the headers that a node sent to Flower: they are good for five minutes, for any call."""
    way, node = Way(aims), Node(node_id=aims["node"])
    with way.fleet(_Captured(aims["headers"])) as fleet:
        found = _fleet(way, aims["node"], aims["run"], _Captured(aims["headers"]))
        hint = pack(Hint(work_id=aims["work"], outcome="pushed").to_json())
        found["hint"] = told(lambda: _push(fleet, node, _reply(hint, aims)))
        return found


def pusher(aims: Aims) -> Aims:
    """A contributor who pushes; it says so in the middle, and waits until the test has revoked them."""
    signer, seen = Signer.open(home() / "key"), threading.Event()

    def progress(done: int, total: int) -> None:
        if done > total // 2 and not seen.is_set():
            seen.set()
            Path(aims["middle"]).touch()
            while not Path(aims["revoked"]).exists():
                time.sleep(0.05)
            time.sleep(3)

    with closing(open_registry(aims["address"])) as registry:
        digest, path = aims["digest"], Path(aims["file"])
        work = Import(architecture=aims["large"], featurizer=digest, source="mallory's own")
        sealed = signer.seal(Receipt(assignment=work, node=signer.node, featurizer=digest))
        first = told(lambda: registry.weights.push(sealed, {digest: path}, progress))
        return {"push": first, "again": told(lambda: registry.weights.push(sealed, {digest: path}))}


def racer(aims: Aims) -> Aims:
    """Two people who use one invitation at one moment, and a revoked one who comes again."""
    found, start = {}, threading.Barrier(len(aims["seeds"]))

    def join(seed: int) -> None:
        signer = Signer.of_seed(seed.to_bytes(32, "big"))
        values = {"registry": aims["registry"], "invitation": invitation_id(aims["secret"]), "key": signer.node}
        change = Enrolment.model_validate({**values, "name": f"racer-{seed}", "author": "x", "at": time.time()})
        with closing(open_registry(aims["address"])) as registry:
            registry.info()
            start.wait(60)
            found[str(seed)] = told(lambda: registry.members.enrol(signer.seal(change), aims["secret"]).state)

    threads = [threading.Thread(target=join, args=(seed,)) for seed in aims["seeds"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def flood(aims: Aims) -> Aims:
    """500 connections that say nothing, and bodies of a gibibyte; meanwhile others are to be served."""
    way, over = Way(aims), threading.Event()
    with ExitStack() as stack:
        stack.callback(over.set)
        for number in range(400):
            wire = stack.enter_context(way.plain() if number % 2 else way.connect("h2" if number % 4 else "http/1.1"))
            if number % 8 == 0:
                wire.sendall(f"POST {PULL} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\nabc".encode())

        def nothing() -> Iterator[bytes]:
            over.wait(600)
            yield from ()

        for _ in range(100):
            channel = stack.enter_context(way.channel())
            for path in ("Versions/Log", "Registry/Watch", "Weights/Fetch"):
                channel.stream_stream(f"/{PACKAGE}.{path}", None, None)(nothing())
        time.sleep(1)
        with closing(open_registry(way.address)) as registry:
            honest = told(lambda: registry.info().software)
    head = f"POST {PULL} HTTP/1.1\r\nHost: x\r\nContent-Type: application/protobuf\r\n"
    return {
        "an honest call": honest,
        "a length of a gibibyte": _poured(way, f"{head}Content-Length: {GIBIBYTE}\r\n\r\n", bytes(PIECE)),
        "a gibibyte in chunks": _poured(
            way, f"{head}Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n" % (PIECE, bytes(PIECE))
        ),
        "a message of a gibibyte": told(lambda: _long_message(way)),
    }


def _by_key(registry: Registry, key: Signer, aims: Aims) -> dict[str, str]:
    """What a role below maintainer may not do; a stranger and a reader may do none of it."""
    lease = Lease.model_validate({**aims["plain lease"], "node": key.node, "issued": time.time()})
    content = b"not weights"
    work = Import(architecture=aims["architecture"], featurizer=sha256(content), source="x")
    file = home() / "weights"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    receipt = Receipt(assignment=work, node=key.node, featurizer=work.featurizer)
    return {
        "release": told(lambda: registry.releases.move_alias(_move(key, aims))),
        "cancel the round": told(lambda: registry.rounds.move_round(aims["round"], ["running"], "cancelled")),
        "Flower keys": told(registry.members.flower_keys),
        "invitations": told(registry.members.invitations),
        "lease": told(lambda: registry.work.lease(key.seal(lease))),
        "push": told(lambda: registry.weights.push(key.seal(receipt), {work.featurizer: file})),
    }


def _move(key: Signer, aims: Aims) -> Sealed:
    return key.seal(Move(name="stable", version=aims["version"], before=None, author="x", at=time.time()))


def _guesses(registry: Registry, key: Signer) -> dict[str, str]:
    """Sessions and enrolments of a key that nobody knows."""
    challenge = registry.members.challenge()
    request = SessionRequest(registry=challenge.registry, nonce=challenge.nonce, issued=time.time())

    def guess() -> str:
        secret = new_secret()
        values = {"registry": challenge.registry, "invitation": invitation_id(secret), "key": key.node}
        change = Enrolment.model_validate({**values, "name": "mallory", "author": "x", "at": time.time()})
        return told(lambda: registry.members.enrol(key.seal(change), secret))

    return {
        "open a session": told(lambda: registry.members.open_session(key.seal(request))),
        "guess an invitation": " / ".join({guess() for _ in range(20)}),
    }


def _answered(way: Way, text: str) -> str:
    """The first line of every answer to some bytes."""
    with way.connect() as wire:
        wire.settimeout(2)
        wire.sendall(text.encode("latin-1"))
        found = b""
        with suppress(TimeoutError, ConnectionError, ssl.SSLError):
            while piece := wire.recv(65536):
                found += piece
    lines = [line for line in found.decode("latin-1").split("\r\n") if line.startswith("HTTP/1.1 ")]
    return " ".join(line[9:12] for line in lines)


class _Captured:
    """Headers that somebody else made."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def intercept(self, context: Any, call_next: Any) -> httpx.Response:
        add_headers(context.request, self._headers)
        response: httpx.Response = call_next(context)
        return response


def _interceptor(key: ec.EllipticCurvePrivateKey) -> NodeAuthHttpInterceptor:
    return NodeAuthHttpInterceptor(key, key.public_key())


def _fleet(way: Way, number: int, run: int, *interceptors: Any) -> dict[str, str]:
    """What a node of this number may do."""
    node = Node(node_id=number)
    with way.fleet(*interceptors) as fleet:
        beat = SendNodeHeartbeatRequest(node=node, heartbeat_interval=30)
        unread = message_pb2.ConfirmMessageReceivedRequest(node=node, run_id=run, message_object_id="0" * 64)
        return {
            "beat": told(lambda: fleet.SendNodeHeartbeat(beat).success),
            "get run": told(lambda: fleet.GetRun(GetRunRequest(node=node, run_id=run)).run.run_id),
            "confirm": told(lambda: fleet.ConfirmMessageReceived(unread)),
            "object": told(
                lambda: (
                    fleet.PullObject(
                        message_pb2.PullObjectRequest(node=node, run_id=run, object_id="0" * 64)
                    ).object_found
                )
            ),
        }


def _as_hers(way: Way, aims: Aims, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Flower's calls by an own key that counts, for the node of another."""
    mine, hers = _interceptor(key), Node(node_id=aims["node"])
    deadline = time.monotonic() + 60
    with way.fleet(mine) as fleet:
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        activate = fleet_pb2.ActivateNodeRequest(public_key=public, heartbeat_interval=30)
        while (said := told(lambda: fleet.ActivateNode(activate).node_id)).startswith("status"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the coordinator registers no Flower key: {said}")
            time.sleep(0.2)
        own = Node(node_id=int(said.removeprefix("got ")))
        pull = fleet_pb2.PullMessagesRequest(node=hers)
        reply = _reply(pack(Hint(work_id=aims["work"], outcome="pushed").to_json()), {**aims, "message": "0" * 64})
        return _fleet(way, aims["node"], aims["run"], mine) | {
            "pull": told(lambda: fleet.PullMessages(pull)),
            "deactivate": told(lambda: fleet.DeactivateNode(fleet_pb2.DeactivateNodeRequest(node_id=aims["node"]))),
            "reply": told(lambda: _push(fleet, hers, reply)),
            "reply in her name": told(lambda: _push(fleet, own, reply)),
        }


def _reply(content: Any, aims: Aims) -> Message:
    """A message that says of itself that it is the reply of a node."""
    said = Metadata(
        run_id=aims["run"],
        message_id="",
        src_node_id=aims["node"],
        dst_node_id=1,
        reply_to_message_id=aims["message"],
        group_id="",
        created_at=time.time(),
        ttl=60.0,
        message_type=WORK,
    )
    message = make_message(said, content=content)
    said.__dict__["_message_id"] = message.object_id
    return message


def _push(fleet: FleetHttpClient, node: Node, message: Message) -> str:
    """Push a reply with its objects; how many of them were wanted."""
    objects = get_all_nested_objects(message)
    tree = get_object_tree(message)
    asked = fleet_pb2.PushMessagesRequest(
        node=node, messages_list=[message_to_proto(message)], message_object_trees=[tree]
    )
    answer = fleet.PushMessages(asked)
    for one in answer.objects_to_push:
        fleet.PushObject(
            message_pb2.PushObjectRequest(
                node=node,
                run_id=message.metadata.run_id,
                session_id=answer.session_id,
                object_id=one,
                object_content=objects[one].deflate(),
            )
        )
    return f"{len(answer.objects_to_push)} objects"


def _poured(way: Way, head: str, piece: bytes) -> str:
    """Pour a gibibyte after a head: the first line of the answer, and how many MiB were taken."""
    taken, answer = 0, b""
    with way.connect() as wire:
        wire.sendall(head.encode())
        with suppress(OSError):
            while taken < GIBIBYTE // PIECE:
                wire.sendall(piece)
                taken += 1
        with suppress(OSError):
            answer = wire.recv(12)
    return f"{answer.decode('latin-1')[9:]} after {taken}"


def _long_message(way: Way) -> str:
    """A message of gRPC that says that it has a gibibyte, poured into the method that anyone may call."""
    with way.channel() as channel:
        path = CALLS["challenge"].path
        ask = channel.unary_unary(path, None, None)
        with suppress(MemoryError):
            ask(bytes(GIBIBYTE), timeout=120)
    return "an answer"


if __name__ == "__main__":
    print(json.dumps(vars()[sys.argv[1]](json.load(sys.stdin))))
    sys.stdout.flush()
    os._exit(0)  # threads of gRPC that talk to nobody would keep it
