"""Descriptors of the services' methods, so that gRPC reflection names them and tools such as grpcurl can call them."""

from __future__ import annotations

from functools import cache

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, ServiceDescriptorProto

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
from registry.transport.wire import CALLS, PACKAGE, SERVICE

FILE = "registry/services.proto"
_STREAMS = {
    "fetch": (FetchRequest, FetchReply, False),
    "push": (PushRequest, PushReply, True),
    "watch": (WatchRequest, WatchReply, False),
}


@cache
def describe() -> tuple[str, ...]:
    """Add the services to protobuf's pool of descriptors, which takes them once; returns their full names."""
    file = FileDescriptorProto(name=FILE, package=PACKAGE, syntax="proto3", dependency=[DESCRIPTOR.name])
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
