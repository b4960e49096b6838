"""Declarations of a service's methods: who may call each of them, and how long it may take.

The public methods of a service are its interface. Each carries its declaration, and every table is read from there: the
gRPC methods and their deadlines, docs/calls.md, and the roles that `registry.transport.authentication` checks at every
call. The types of its arguments are checked at every call, in process as from outside.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from ratatouille.errors import Refusal
from ratatouille.record import first_problem
from registry.caller import Role

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from registry.storage import Storage

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
T = TypeVar("T")
_DECLARATION = "__method__"
_CLOSE = "close"
"""Ends this side of a connection, and is no call."""


@dataclass(frozen=True)
class Declaration:
    """The properties of a method, from which its gRPC method and its entry in docs/calls.md are made."""

    role: Role
    slow: bool
    """Whether it may take hours; few slow calls run at a time."""
    stream: bool
    """Whether it moves weights or events, in messages of its own (`registry.proto`)."""
    by_peer: bool
    """Whether the service finds out who is at the other end, since one of them may not take all room."""
    local: bool
    """Whether it works in the registry's own process only."""


def method(
    role: Role, *, slow: bool = False, stream: bool = False, by_peer: bool = False, local: bool = False
) -> Callable[[F], F]:
    """Declare a public method of a service; the arguments are those of `Declaration`."""
    declaration = Declaration(role, slow, stream, by_peer or slow, local)

    def declare(function: F) -> F:
        setattr(function, _DECLARATION, declaration)
        return function

    return declare


@dataclass(frozen=True)
class ServiceMethod:
    """One method of a service."""

    service: type[Service]
    name: str
    declaration: Declaration

    @property
    def function(self) -> Callable[..., Any]:
        """The function as the service defines it."""
        function: Callable[..., Any] = vars(self.service)[self.name]
        return function

    @cached_property
    def signature(self) -> inspect.Signature:
        """What it is called with."""
        return inspect.signature(self.function)

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The types of its arguments and of its answer."""
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """A model of its arguments."""
        fields: dict[str, Any] = {}
        for parameter in list(self.signature.parameters.values())[1:]:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (self.hints[parameter.name], default)
        return create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)

    def checking(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, which refuses arguments of types other than those that the service declares."""

        @wraps(function)
        def checked(service: Any, *arguments: object, **named: object) -> Any:
            bound = self.signature.bind(service, *arguments, **named).arguments
            try:
                values = self.arguments.model_validate(dict(list(bound.items())[1:]), strict=True)
            except ValidationError as error:
                raise self.misused(error) from error
            return function(service, **{name: getattr(values, name) for name in values.model_fields_set})

        return checked

    def misused(self, error: ValidationError) -> Refusal:
        """The refusal for arguments that do not fit, which names the first of them."""
        return Refusal(f"{self.name} cannot be called like this: {first_problem(error)}")


class Service:
    """The base of all services: methods over the database and the blobs of one registry."""

    methods: ClassVar[Mapping[str, ServiceMethod]] = {}
    """The declared methods of this service, by name."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if Service not in cls.__bases__:
            return  # a client or an implementation: its methods are those of the service
        methods: dict[str, ServiceMethod] = {}
        for name, value in list(vars(cls).items()):
            if name.startswith("_") or name == _CLOSE or not callable(value):
                continue
            declaration = getattr(value, _DECLARATION, None)
            if declaration is None:
                raise TypeError(f"{cls.__name__}.{name} does not declare who may call it; see registry.services.method")
            methods[name] = ServiceMethod(cls, name, declaration)
            setattr(cls, name, methods[name].checking(value))
        cls.methods = methods

    def _read(self) -> AbstractContextManager[Connection]:
        return self._storage.database.read()

    def _write(self) -> AbstractContextManager[Connection]:
        return self._storage.database.write()

    def _reading(self, query: Callable[Concatenate[Connection, P], T], *rest: P.args, **named: P.kwargs) -> T:
        """The answer of a query to one state of the database."""
        with self._read() as connection:
            return query(connection, *rest, **named)

    def _writing(self, change: Callable[Concatenate[Connection, P], T], *rest: P.args, **named: P.kwargs) -> T:
        """The answer of a change, as one transaction."""
        with self._write() as connection:
            return change(connection, *rest, **named)


class ImportedOnUse:
    """A module that is imported when something of it is used: clients have services without a database."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)
