"""The wire table: one gRPC method for each method of the services, made from their declarations.

`registry.versions.log` is `/ratatouille.registry.v1.Versions/Log`. Arguments go as one JSON object and are validated
strictly against the method's annotations; what is not declared cannot be called. `fetch`, `push` and `watch` are
streams and have messages of their own. `describe` lets gRPC reflection name all methods, for tools such as grpcurl.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, ServiceDescriptorProto
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from ratatouille.errors import UPGRADE, Refusal
from ratatouille.record import first_problem
from registry.proto.registry_pb2 import (
    DESCRIPTOR,
    CallReply,
    CallRequest,
    FetchReply,
    FetchRequest,
    PushReply,
    PushRequest,
    WatchReply,
    WatchRequest,
)
from registry.services.method import ServiceMethod
from registry.services.registry import METHODS

PACKAGE = "ratatouille.registry.v1"
SERVICE = f"{PACKAGE}.Registry"
"""The service that says what the registry is, and that answered every call of software 0.1 (`Call`)."""
SOFTWARE = version("model-ratatouille")
"""The version of this side's software."""
OURS = ("said-by", "registry")
"""Trailing metadata of refusals: the sentence is the registry's, not the transport's."""

MESSAGE_BYTES = 2**20
"""Bytes of weights in one message: 64 KiB messages are three times slower."""
LARGEST_MESSAGE = 64 * 2**20
_OPTIONS = (
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    # gRPC would unpack a compressed message whole before it looks how long it is; as it came, none can be read
    ("grpc.per_message_decompression", 0),
    # the default frames of 16 KiB cost a fifth of the speed
    ("grpc.http2.max_frame_size", 2**18),
    # a peer that vanished without a word is noticed within forty seconds
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # a service that is back is found within seconds; the default may wait for two minutes
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

LARGEST_ARGUMENTS = 16 * 2**20
"""Bytes of the arguments of a call: the longest text that is taken fits. As objects they need many times as many."""
LARGEST_SLOW_ARGUMENTS = 4 * 2**20
"""The same for slow methods; a combination of ten thousand parents fits, and its values may be of any form."""

LARGEST_REQUEST = LARGEST_ARGUMENTS + 2**20
"""Bytes of any message to a service: it is held in memory before anything is known of its sender."""
_RECEIVED = "grpc.max_receive_message_length"
CHANNEL_OPTIONS = ((_RECEIVED, LARGEST_MESSAGE), *_OPTIONS)
"""Of clients."""
SERVER_OPTIONS = ((_RECEIVED, LARGEST_REQUEST), *_OPTIONS)

DEADLINE_SECONDS = 60.0
SLOW_DEADLINE_SECONDS = 4 * 3600.0
"""How long a client waits for an answer."""
DESCRIPTOR_FILE = "registry/services.proto"
_STREAMS = {
    "fetch": (FetchRequest, FetchReply, False),
    "push": (PushRequest, PushReply, True),
    "watch": (WatchRequest, WatchReply, False),
}


@dataclass(frozen=True)
class Call:
    """One method as it travels."""

    method: ServiceMethod

    @property
    def name(self) -> str:
        """Its name."""
        return self.method.name

    @property
    def path(self) -> str:
        """Its name in gRPC."""
        camel = "".join(word.capitalize() for word in self.name.split("_"))
        return f"/{PACKAGE}.{self.method.service.__name__}/{camel}"

    @property
    def deadline(self) -> float:
        """Seconds that a client waits."""
        return SLOW_DEADLINE_SECONDS if self.method.declaration.slow else DEADLINE_SECONDS

    @property
    def largest(self) -> int:
        """Bytes that its arguments may have."""
        return LARGEST_SLOW_ARGUMENTS if self.method.declaration.slow else LARGEST_ARGUMENTS

    def encode(self, *arguments: object, **named: object) -> bytes:
        """The arguments of a call as JSON.

        Raises:
            Refusal: for a text that is not UTF-8.
        """
        bound = self.method.signature.bind(None, *arguments, **named)
        try:
            return to_json(dict(list(bound.arguments.items())[1:]))
        except PydanticSerializationError as error:
            raise Refusal(f"{self.name} cannot be called like this: {error}") from error

    def decode(self, data: bytes) -> dict[str, Any]:
        """The arguments of a call from outside.

        Raises:
            Refusal: naming the first that does not fit.
        """
        try:
            values = self.method.arguments.model_validate_json(data, strict=True)
        except ValidationError as error:
            raise self.method.misused(error) from error
        return {name: getattr(values, name) for name in type(values).model_fields}

    def result(self, data: bytes) -> Any:
        """The answer of the service.

        Raises:
            Refusal: when it is nothing that this software knows.
        """
        try:
            return self._returned.validate_json(data)
        except ValidationError as error:
            raise Refusal(
                f"the registry answers {self.name} as other software would ({first_problem(error)}); "
                f"upgrade the older side: {UPGRADE}"
            ) from error

    @cached_property
    def _returned(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.method.hints["return"])


CALLS: Mapping[str, Call] = {name: Call(method) for name, method in METHODS.items() if not method.declaration.local}
"""Every method that travels, by its name."""


@cache
def describe() -> tuple[str, ...]:
    """Add the services to protobuf's pool of descriptors, which takes them once; returns their full names."""
    file = FileDescriptorProto(name=DESCRIPTOR_FILE, package=PACKAGE, syntax="proto3", dependency=[DESCRIPTOR.name])
    services: dict[str, ServiceDescriptorProto] = {}
    for call in CALLS.values():
        full, name = call.path.removeprefix("/").split("/")
        if full == SERVICE:  # is in registry.proto
            continue
        if full not in services:
            services[full] = file.service.add(name=full.removeprefix(f"{PACKAGE}."))
        request, reply, sends_many = _STREAMS.get(call.name, (CallRequest, CallReply, False))
        services[full].method.add(
            name=name,
            input_type=f".{PACKAGE}.{request.__name__}",
            output_type=f".{PACKAGE}.{reply.__name__}",
            client_streaming=sends_many,
            server_streaming=call.name in _STREAMS,
        )
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    return tuple(services)
