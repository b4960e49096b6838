"""Challenges: numbers that are signed to open a session, each good once and for a minute.

A challenge is not kept: it carries its time and a code that only this process can make. So somebody who asks for many
pushes nobody else's out. Only those that a key has signed are remembered, until they expire.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time

from ratatouille.errors import Refusal, Unreachable

SECONDS = 60.0
MOST_USED = 100_000
"""Challenges that may have been used within a minute."""
_BYTES = 16


class Challenges:
    """The challenges of one process."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def make(self) -> str:
        """A new one, in hexadecimal."""
        begun = secrets.token_bytes(_BYTES) + int(time.time() * 1000).to_bytes(8, "big")
        return (begun + self._code(begun)).hex()

    def use(self, nonce: str) -> None:
        """Use up a challenge.

        Raises:
            Refusal: for one that was used, is older than a minute, or was not made here.
            Unreachable: when too many were used.
        """
        now = time.time()
        expires = self._expires(nonce)
        if not now < expires <= now + SECONDS + 1.0:
            raise Refusal(f"this challenge is not one of this service's last {SECONDS:.0f} s; ask for another")
        with self._lock:
            for old in [known for known, until in self._used.items() if until < now]:
                del self._used[old]
            if nonce in self._used:
                raise Refusal("this challenge was used already; ask for another")
            if len(self._used) >= MOST_USED:
                raise Unreachable("too many sessions are opened just now; try again in a minute")
            self._used[nonce] = expires

    def _expires(self, nonce: str) -> float:
        """When one that was made here expires; 0 for any other text."""
        try:
            data = bytes.fromhex(nonce)
        except ValueError:
            return 0.0
        begun, code = data[: _BYTES + 8], data[_BYTES + 8 :]
        if data.hex() != nonce or not hmac.compare_digest(code, self._code(begun)):
            return 0.0
        return int.from_bytes(begun[_BYTES:], "big") / 1000 + SECONDS

    def _code(self, begun: bytes) -> bytes:
        return hmac.digest(self._secret, begun, "sha256")
