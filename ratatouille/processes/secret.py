"""A secret that the processes of one user share: kept in a file, proved by signing, never sent.

Two services that talk over loopback cannot tell who else of this machine connects. So the caller signs each request
with the secret (HMAC-SHA256), and the listener checks the signature before it reads the body. The secret itself stays
in a file that only its owner can read: a program of another user that listens on the port while the service is away
learns nothing that it could use.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.folders import write_once

HEADER = "ratatouille-signature"
"""The HTTP header that carries a signature: moment, nonce, SHA-256 of the body, HMAC."""
WINDOW = 60.0
"""Seconds for which a signature is good. Both sides read one monotonic clock, since they are on one machine."""


class Secret:
    """The shared secret; `sign` proves to a `Verifier` with the same secret that the caller knows it."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = hashlib.sha256(b"ratatouille/requests\n" + key).digest()
        self._clock = clock

    @classmethod
    def open(cls, path: Path) -> Secret:
        """Read the secret, or make one at the first call; the file is readable by its owner only.

        Raises:
            Refusal: when others could have read it, or the file is empty.
        """
        if not path.exists():
            write_once(path, secrets.token_hex(32).encode())
        facts = path.stat()
        if facts.st_mode & 0o077 or facts.st_uid != os.getuid():
            raise Refusal(
                f"others can read {path}, so it is no secret; stop what uses it and delete it to get a new one"
            )
        key = path.read_bytes().strip()
        if not key:
            raise Refusal(f"{path} is empty; delete it to get a new secret")
        return cls(key)

    def sign(self, method: str, path: str, body: bytes) -> str:
        """The value of `HEADER` for one request."""
        moment, nonce = f"{self._clock():.6f}", secrets.token_hex(16)
        digest = hashlib.sha256(body).hexdigest()
        return f"{moment} {nonce} {digest} {self.code(method, path, moment, nonce, digest)}"

    def code(self, method: str, path: str, moment: str, nonce: str, digest: str) -> str:
        """The HMAC over everything that a signature says."""
        message = "\n".join((method, path, moment, nonce, digest)).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


class Verifier:
    """Checks signatures. Each is good once, for a minute, and never from before this verifier was made."""

    def __init__(self, secret: Secret, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret = secret
        self._clock = clock
        self._since = clock()
        self._used: dict[str, float] = {}
        """Nonces of the last minute, oldest first. Only good signatures get in, so other users cannot fill it."""

    def verified_digest(self, value: str, method: str, path: str) -> str | None:
        """The body's SHA-256 that a good signature states; None for any other value."""
        parts = value.split(" ")
        if len(parts) != 4 or not value.isascii():
            return None
        moment, nonce, digest, code = parts
        if not hmac.compare_digest(code, self._secret.code(method, path, moment, nonce, digest)):
            return None
        now, signed = self._clock(), float(moment)
        if not max(self._since, now - WINDOW) - 0.001 <= signed <= now + 1.0 or nonce in self._used:
            return None
        self._used[nonce] = signed
        while (oldest := next(iter(self._used))) != nonce and self._used[oldest] < now - WINDOW:
            del self._used[oldest]
        return digest
