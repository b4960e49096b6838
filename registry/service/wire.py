"""How the port's methods travel: one table made from `registry.port.Registry`, so that the port is the schema.

Arguments go as one JSON object and are validated strictly against the method's annotations; what is not a method of the
port cannot be called. `fetch`, `push` and `watch` are streams and have calls of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic_core import PydanticSerializationError, to_json

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import UPGRADE
from ratatouille.record import first_problem
from registry.port import Registry

SERVICE = "ratatouille.registry.v1.Registry"
SOFTWARE = version("model-ratatouille")
"""What this side runs."""
OURS = ("said-by", "registry")
"""Trailing metadata of refusals: the sentence is the registry's, not the transport's."""

MESSAGE_BYTES = 2**20
"""Bytes of weights in one message: 64 KiB messages are three times slower."""
LARGEST_MESSAGE = 64 * 2**20
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    # the default frames of 16 KiB cost a fifth of the speed
    ("grpc.http2.max_frame_size", 2**18),
    # a peer that vanished without a word is noticed within forty seconds
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # a service that is back is found within seconds; the default may wait for two minutes
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

BEAT_SECONDS = 15.0
"""Time after which whoever watches the log is sent a sign of life."""

_APART = frozenset({"fetch", "push", "watch", "close"})


@dataclass(frozen=True)
class Method:
    """One method of the port."""

    name: str
    signature: inspect.Signature
    hints: Mapping[str, Any]

    def encode(self, *arguments: object, **named: object) -> bytes:
        """The arguments of a call as JSON.

        Raises:
            Refusal: for a text that is not UTF-8.
        """
        bound = self.signature.bind(None, *arguments, **named)
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
            values = self._arguments.model_validate_json(data, strict=True)
        except ValidationError as error:
            raise Refusal(f"{self.name} cannot be called like this: {first_problem(error)}") from error
        return {name: getattr(values, name) for name in type(values).model_fields}

    def result(self, data: bytes) -> Any:
        """What the service returned.

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
    def _arguments(self) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        for parameter in list(self.signature.parameters.values())[1:]:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (self.hints[parameter.name], default)
        return create_model(self.name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False), **fields)

    @cached_property
    def _returned(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.hints["return"])


def _table() -> dict[str, Method]:
    methods: dict[str, Method] = {}
    for name, function in vars(Registry).items():
        if isinstance(function, Callable) and not name.startswith("_") and name not in _APART:  # type: ignore[arg-type]
            methods[name] = Method(name, inspect.signature(function), get_type_hints(function))
    return methods


METHODS: Mapping[str, Method] = _table()
