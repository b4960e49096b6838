"""The Flower keys of nodes at the SuperLink: registered when the registry has them, unregistered when it has not.

A node makes its Flower key itself and sends it when its keys are entered. The registry's list of keys is the one that
counts: the coordinator reads it every second, and changes the SuperLink's list where it differs. Nothing is kept on
disk, so both lists are compared anew after a crash. The SuperLink refuses an unregistered node at its next call, and
Flower never takes the same key again. A round reads the list too, to see which node a Flower node is (`dispatch`).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from coordinator.control import Control
from coordinator.environment import NODE_KEYS
from ratatouille.errors import Refusal
from registry.services.registry import Registry

_log = logging.getLogger(__name__)
_COMPARE_SECONDS = 10.0
"""Time between two comparisons where the registry's list is the same: the SuperLink may have been restarted."""


def flower_form(key: str) -> bytes:
    """An OpenSSH public key as Flower keeps it.

    Raises:
        Refusal: for anything that is no key on an elliptic curve.
    """
    try:
        found = load_ssh_public_key(key.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refusal(f"this is no public key in OpenSSH's format: {key[:40]!r}") from error
    if not isinstance(found, EllipticCurvePublicKey):
        raise Refusal(f"a Flower key is an ECDSA key, and this is another: {key[:40]!r}")
    return found.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def nodes_by_flower_key(registry: Registry) -> Callable[[], dict[bytes, str]] | None:
    """A function that reads which node has entered which key for Flower; None where this SuperLink checks no keys."""
    if NODE_KEYS not in os.environ:
        return None

    def read() -> dict[bytes, str]:
        found = {}
        for key in registry.members.flower_keys():
            with suppress(Refusal):  # `FlowerKeys` says so in the coordinator's log
                found[flower_form(key.flower)] = key.node
        return found

    return read


class FlowerKeys:
    """Keeps the list of keys of one SuperLink equal to the registry's; call `look` every second."""

    def __init__(self, control: Control, clock: Callable[[], float] = time.monotonic) -> None:
        self._control = control
        self._clock = clock
        self._wanted: dict[bytes, str] | None = None
        """The names by key that the SuperLink had at the last comparison; None before the first."""
        self._compared = 0.0
        self._refused: set[bytes] = set()
        """Keys that Flower does not take, each of them logged once."""

    def look(self, keys: Mapping[str, str]) -> None:
        """Register the keys that are new at the SuperLink, and unregister those that are gone.

        Args:
            keys: the names of the nodes by their public key, in OpenSSH's format.

        Raises:
            Unreachable: when no SuperLink answers.
        """
        wanted = self._readable(keys)
        if wanted == self._wanted and self._clock() - self._compared < _COMPARE_SECONDS:
            return
        registered = {node.public_key: node for node in self._control.nodes()}
        for key in registered.keys() - wanted.keys():
            self._control.unregister(registered[key].id)
            _log.info("node %s may not take orders any more", registered[key].name or registered[key].id)
        for key in wanted.keys() - registered.keys() - self._refused:
            self._register(key, wanted[key])
        self._wanted, self._compared = wanted, self._clock()

    def _register(self, key: bytes, name: str) -> None:
        try:
            self._control.register(key, name)
        except Refusal as refusal:
            self._refused.add(key)
            _log.warning("node %s gets no orders: %s; a new join makes a new key", name, refusal)

    def _readable(self, keys: Mapping[str, str]) -> dict[bytes, str]:
        found = {}
        for key, name in keys.items():
            try:
                found[flower_form(key)] = name
            except Refusal as refusal:
                if key.encode() not in self._refused:
                    self._refused.add(key.encode())
                    _log.warning("node %s gets no orders: %s", name, refusal)
        return found
