"""Credentials: the keys of this home that open sessions with a registry, and the session of one connection.

A session is opened only when it is needed: for a method that strangers may not call, or when the service asks for one.
It is renewed before it ends. Several threads may use it. A key signs for the one registry that it belongs to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar, cast

import grpc

from ratatouille.addresses import Address
from ratatouille.errors import Refusal, Unavailable
from ratatouille.exchange.session import Challenge, Session, SessionRequest
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.federations import federation_of
from ratatouille.home import home
from registry.caller import Role, Unauthenticated, includes
from registry.owner_key import owner_key_file, read_owner_key
from registry.transport.wire import OURS

RENEW_SECONDS = 300.0
"""A session that ends sooner is renewed at the next call."""
T = TypeVar("T")
Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True)
class Credential:
    """A key that may open a session."""

    signer: Signer
    registry: str
    """The id of the only registry that it signs for."""
    source: str
    """Where it comes from, for sentences."""


def credentials_for(url: str) -> Iterator[Credential]:
    """The keys of this home for an address, the best first.

    Raises:
        Refusal: for a file that cannot be believed or read.
    """
    address = Address.parse(url)
    if (owner := read_owner_key(address)) is not None:
        yield Credential(owner.signer, owner.registry, f"the owner's key in '{owner_key_file(address.port)}'")
    if not (address.encrypted or address.is_loopback):
        return  # a token would be read on its way
    if (federation := federation_of(url)) is not None:
        yield Credential(Signer.open(home() / "key"), federation.registry, "what this home has joined")


class LazySession:
    """The session of one connection."""

    def __init__(self, url: str, challenge: Callable[[], Challenge], enter: Callable[[Sealed], Session]) -> None:
        """`challenge` and `enter` call the service."""
        self._url, self._challenge, self._enter = url, challenge, enter
        self._session: Session | None = None
        self._ends = 0.0
        self._lock = threading.Lock()

    def authorized(self, needed: Role, attempt: Callable[[Metadata], T]) -> T:
        """The outcome of an attempt to call a method, which gets what shows who calls; it is repeated once in a new
        session when the service says that the old one is over, or that one is needed.

        Raises:
            grpc.RpcError: from the attempt.
            Refusal: when no session can be opened where one is needed.
        """
        token = self._token(needed)
        try:
            return attempt(_metadata(token))
        except grpc.RpcError as error:
            call = cast(grpc.Call, error)
            over = call.code() == grpc.StatusCode.UNAUTHENTICATED and OURS in tuple(call.trailing_metadata() or ())
            if not over or (fresh := self._after(token)) is None:
                raise
        return attempt(_metadata(fresh))

    def open(self) -> Session | None:
        """A session of its own, such as one for a browser; None for a home without a key for this registry.

        Raises:
            Refusal: when its key may open none.
        """
        with self._lock:
            return self._session if self._opened() is not None else None

    def _token(self, needed: Role) -> str | None:
        """The token to show; None where none is needed, or none can be had."""
        with self._lock:
            if self._session is None:
                return self._opened() if includes(needed, "contributor") else None
            if time.monotonic() < self._ends - RENEW_SECONDS:
                return self._session.token
            old = self._session.token
            try:
                return self._opened()
            except Unavailable:
                return old

    def _after(self, used: str | None) -> str | None:
        """A token in place of one that the service refused; None where there is none."""
        with self._lock:
            if self._session is not None and self._session.token != used:
                return self._session.token  # another thread was faster
            self._session = None
            return self._opened()

    def _opened(self) -> str | None:
        """The token of a new session; None for a home without a key for this registry."""
        opened = open_session(self._url, self._challenge, self._enter)
        if opened is None:
            return None
        self._session, now = opened
        self._ends = time.monotonic() + self._session.expires - now
        return self._session.token


def open_session(
    url: str, ask: Callable[[], Challenge], open: Callable[[Sealed], Session]
) -> tuple[Session, float] | None:
    """A new session by the first key of this home that opens one, and the registry's time; None without such a key.

    Args:
        url: the registry's address.
        ask: gets a challenge there.
        open: opens a session there.

    Raises:
        Refusal: for keys that are another registry's, or that do not count there, and for a clock that is wrong.
    """
    unknown = None
    for credential in credentials_for(url):
        challenge = ask()
        if challenge.registry != credential.registry:
            unknown = Refusal(
                f"{credential.source} is for registry {credential.registry[:8]}…, and {challenge.registry[:8]}… "
                f"answers at {url}; check the address, or join that one with an invitation"
            )
            continue
        request = SessionRequest(registry=challenge.registry, nonce=challenge.nonce, issued=time.time())
        try:
            return open(credential.signer.seal(request)), challenge.now
        except Unauthenticated as refusal:
            unknown = refusal
    if unknown is not None:
        raise unknown
    return None


def _metadata(token: str | None) -> Metadata:
    return () if token is None else (("authorization", f"Bearer {token}"),)
