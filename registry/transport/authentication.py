"""Authentication: who calls, and whether they may. Every call passes here, streams and those of software 0.1 too.

The table of roles is the services' own (`METHODS[…].declaration.role`). A caller shows a session's token as
`authorization: Bearer …`. Without one they have the role that the setting `reading` gives to strangers. Calls that last
are looked at again twice a second, and ended when their caller may not make them any more.
"""

from __future__ import annotations

import inspect
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cache

import grpc

from ratatouille.errors import RatatouilleError
from ratatouille.exchange.signing import Sealed
from ratatouille.printable import printable
from ratatouille.processes.throttle import Throttle
from registry.caller import Caller, Forbidden, Role, Unauthenticated
from registry.cancellation import Cancelled
from registry.services.local import LocalRegistry
from registry.services.method import ServiceMethod
from registry.transport.stream_limits import peer_name

AUTHORIZATION = "authorization"
FORWARDED = "x-forwarded-for"
LOOK_SECONDS = 0.5
"""Time between two looks at the callers of calls that last."""
SIGNED = "sealed"
"""The argument that its signer answers for. Other sealed arguments are proofs that belong to it."""
_BEARER = re.compile(r"Bearer ([A-Za-z0-9_-]{43})")
_VARIES = re.compile(r"[0-9a-f]{6,}|\d+")
"""What differs between refusals for one reason: keys, digests and numbers, which a caller may choose."""
_log = logging.getLogger("registry")


class Authentication:
    """Finds out who calls a registry's service."""

    def __init__(self, registry: LocalRegistry, behind_door: int | None = None) -> None:
        """`behind_door`: calls by this user (a number) may say for which address they were passed on."""
        self._registry, self._sessions = registry, registry.sessions
        self._behind_door = behind_door
        self._lasting: dict[object, tuple[Caller, ServiceMethod, Callable[[], object]]] = {}
        self._lock = threading.Lock()
        self._watching = False
        self._throttle = Throttle()

    def admit(self, method: ServiceMethod, context: grpc.ServicerContext) -> Caller:
        """Who calls a method.

        Raises:
            Unauthenticated: for a stranger where that is not enough, and for a session that is over.
            Forbidden: for a caller whose role is not enough.
        """
        needed, metadata = method.declaration.role, dict(context.invocation_metadata())
        caller = Caller("anyone")
        with self._logged(method, lambda: caller.peer or self._peer(metadata, context)):
            caller = self._caller(metadata, needed)
            if not caller.may(needed):
                kind = Unauthenticated if caller.key is None else Forbidden
                raise kind(_not_enough(method.name, needed, caller))
        if caller.peer or not (method.declaration.by_peer or method.declaration.stream):
            return caller
        return replace(caller, peer=self._peer(metadata, context))

    def answering(
        self, method: ServiceMethod, caller: Caller, context: grpc.ServicerContext
    ) -> AbstractContextManager[None]:
        """While the block runs, a call is answered. Why it is refused is logged, unless it only reads."""
        if not _changes(method):
            return nullcontext()
        return self._logged(method, lambda: caller.peer or self._peer(dict(context.invocation_metadata()), context))

    def check_signer(self, method: ServiceMethod, caller: Caller, sealed: object) -> None:
        """Check that what is signed is signed by the caller, or that the caller may bring what others signed.

        Raises:
            Unauthenticated: when a stranger brings it.
            Forbidden: when another member, or nobody's key, signed it.
        """
        if not isinstance(sealed, Sealed) or method.declaration.role == "anyone" or caller.may("maintainer"):
            return
        if caller.member is None:
            raise Unauthenticated(f"{method.name} takes what a member signed, and you have no session; {_JOIN}")
        if not self._sessions.belongs(sealed.node, caller.member):
            raise Forbidden(
                f"this {method.name} is signed by key {sealed.node[:12]}…, which is none of {caller.peer}'s keys "
                "that count here; sign it with your own key, or let a maintainer bring it"
            )

    @contextmanager
    def watching(self, method: ServiceMethod, caller: Caller, end: Callable[[], object]) -> Iterator[None]:
        """While the block runs, `end` is called as soon as the caller may not make this call any more."""
        mark = object()
        with self._lock:
            self._lasting[mark] = (caller, method, end)
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="authentication", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._lasting.pop(mark, None)

    def _caller(self, metadata: Mapping[str, str | bytes], needed: Role) -> Caller:
        if needed == "anyone":
            return Caller("anyone")
        said = metadata.get(AUTHORIZATION)
        if said is None:
            return self._sessions.stranger()
        token = _BEARER.fullmatch(said) if isinstance(said, str) else None
        caller = self._sessions.caller(token[1]) if token else None
        if caller is None:
            raise Unauthenticated("this session is over, or its key does not count any more; open another one")
        return caller

    @contextmanager
    def _logged(self, method: ServiceMethod, who: Callable[[], str]) -> Iterator[None]:
        """Write why a call is refused into the log: once a minute for each caller and reason."""
        try:
            yield
        except Cancelled:
            raise
        except RatatouilleError as refusal:
            name = printable(who())
            kind = f"{method.name} {name} {_VARIES.sub('#', str(refusal))[:80]}"
            self._throttle.warn(_log, kind, f"{method.name} by {name} was refused: {printable(str(refusal))}")
            raise

    def _peer(self, metadata: Mapping[str, str | bytes], context: grpc.ServicerContext) -> str:
        """A name for limits: the other end of the connection, or the address for which the door passes the call on."""
        peer = peer_name(context.peer())
        said = metadata.get(FORWARDED)
        if not isinstance(said, str) or peer != f"user {self._behind_door}":
            return peer
        return said.rpartition(",")[2].strip()[:80] or peer

    def _watch(self) -> None:
        """End what may not go on, until nothing lasts any more."""
        over = threading.Event()
        while True:
            over.wait(LOOK_SECONDS)
            with self._lock:
                lasting = list(self._lasting.values())
                if not lasting:
                    self._watching = False
                    return
            for caller, method, end in lasting:
                if not self._stands(caller, method.declaration.role):
                    _log.warning("%s of %s is ended: it may not go on any more", method.name, printable(caller.peer))
                    end()

    def _stands(self, caller: Caller, needed: Role) -> bool:
        try:
            now = self._sessions.stranger() if caller.key is None else self._sessions.holder(caller.key)
        except Exception as error:  # a database that does not answer now ends nothing
            self._throttle.warn(_log, "watch", f"callers of running calls cannot be looked up: {error}")
            return True
        return now is not None and now.may(needed)


_JOIN = (
    "join with an invitation from a maintainer (`ratatouille node join --invite -`), or, on the registry's own "
    "machine, run this as its user and with its RATATOUILLE_HOME"
)


@cache
def _changes(method: ServiceMethod) -> bool:
    """Whether a method changes something, or lets somebody in."""
    return method.declaration.role != "reader" or SIGNED in inspect.signature(method.function).parameters


def _not_enough(name: str, needed: Role, caller: Caller) -> str:
    if caller.key is None:
        reading = "this registry shows its history to members only" if caller.role == "anyone" else "you may only read"
        return f"{name} needs the role {needed}, and without a session {reading}; {_JOIN}"
    return (
        f"{name} needs the role {needed}, and {caller.peer} has the role {caller.role}; ask a maintainer for it: "
        "`ratatouille members role`"
    )
