"""A stranger who read a header of a node's calls to Flower: Flower takes it for five minutes, for any call."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.app import Message
from flwr.app.message.message import make_message
from flwr.app.metadata import Metadata
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.common.serde import message_to_proto
from flwr.proto import fleet_pb2, message_pb2
from flwr.proto.node_pb2 import Node
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.date import now
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.interceptors.http.utils import add_headers
from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message
from flwr.supernode.fleet_http_client import FleetHttpClient

from ratatouille.exchange.bundle import INTRODUCE, pack
from ratatouille.exchange.order import introduce
from ratatouille.exchange.signing import Signer


def flower_headers(file: Path) -> dict[str, str]:
    """What a node sends to Flower: its public key, a time, and the signature of that time."""
    key: Any = load_ssh_private_key(file.read_bytes(), None)
    at = now().isoformat()
    return {
        FLEET_HTTP_PUBLIC_KEY_HEADER: b64encode(public_key_to_bytes(key.public_key())).decode(),
        TIMESTAMP_HEADER: at,
        FLEET_HTTP_SIGNATURE_HEADER: b64encode(sign_message(key, at.encode())).decode(),
    }


class Captured:
    """Flower's client with headers that somebody else made."""

    def __init__(self, address: str, authority: bytes, headers: dict[str, str], node: int) -> None:
        """`address` is host:port of the front door, and `node` Flower's number of the node whose headers they are."""
        self._headers, self._node = headers, Node(node_id=node)
        versions = RuntimeVersionHttpInterceptor(component_name="flwr-supernode")
        self._fleet = FleetHttpClient.from_server_address(address, False, authority, [versions, self])

    def close(self) -> None:
        """Close the connection."""
        self._fleet.close()

    def intercept(self, context: Any, call_next: Any) -> httpx.Response:
        """Add the headers to a request."""
        add_headers(context.request, self._headers)
        response: httpx.Response = call_next(context)
        return response

    def introduce_as(self, stranger: Signer, times: int, over: threading.Event) -> int:
        """Take questions who the node is, and answer them with a stranger's key; returns how many there were."""
        done = 0
        while done < times and not over.wait(0.05):
            taken = self._fleet.PullMessages(fleet_pb2.PullMessagesRequest(node=self._node)).messages_list
            for metadata in (one.metadata for one in taken if one.metadata.message_type == INTRODUCE):
                body = introduce(stranger, self._node.node_id, metadata.run_id)
                self._push(_reply(metadata, body))
                done += 1
        return done

    def _push(self, message: Message) -> None:
        objects, run = get_all_nested_objects(message), message.metadata.run_id
        sent = [message_to_proto(message)]
        asked = fleet_pb2.PushMessagesRequest(
            node=self._node, messages_list=sent, message_object_trees=[get_object_tree(message)]
        )
        answer = self._fleet.PushMessages(asked)
        for one in answer.objects_to_push:
            content, session = objects[one].deflate(), answer.session_id
            self._fleet.PushObject(
                message_pb2.PushObjectRequest(
                    node=self._node, run_id=run, session_id=session, object_id=one, object_content=content
                )
            )


def _reply(asked: Any, body: bytes) -> Message:
    said = Metadata(
        run_id=asked.run_id,
        message_id="",
        src_node_id=asked.dst_node_id,
        dst_node_id=asked.src_node_id,
        reply_to_message_id=asked.message_id,
        group_id="",
        created_at=time.time(),
        ttl=60.0,
        message_type=INTRODUCE,
    )
    message = make_message(said, content=pack(body))
    said.__dict__["_message_id"] = message.object_id
    return message
