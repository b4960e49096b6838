"""Tokens of sessions, for tests that speak gRPC by themselves."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from ratatouille.addresses import Address
from ratatouille.exchange.session import SessionRequest
from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from registry.owner_key import read_owner_key
from registry.services.registry import Registry
from registry.transport.credentials import Metadata


def token_of(opened: Registry, signer: Signer, **changes: Any) -> str:
    """The token of a new session; `changes` are to what is signed for it."""
    challenge = opened.members.challenge()
    said = {"registry": challenge.registry, "nonce": challenge.nonce, "issued": time.time()} | changes
    return opened.members.open_session(signer.seal(SessionRequest.model_validate(said))).token


def bearer(token: str | None) -> Metadata:
    """The metadata that shows a token."""
    return (("authorization", f"Bearer {token}"),) if token else ()


def as_owner(url: str) -> Metadata:
    """The metadata of the owner of a service of this home."""
    key = read_owner_key(Address.parse(url))
    assert key is not None
    with closing(open_registry(url)) as registry:
        return bearer(token_of(registry, key.signer))
