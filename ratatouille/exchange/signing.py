"""Ed25519 signatures over canonical JSON, and the key that a node makes at its first join.

A sealed record is the record's bytes with a public key and a signature. The signature covers the kind of record too, so
that a signed offer can never pass as a receipt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import StringConstraints

from ratatouille.errors import Damaged, Refusal
from ratatouille.folders import close_to_others, write_once
from ratatouille.record import Digest, Record

R = TypeVar("R", bound=Record)


class Sealed(Record):
    """Canonical JSON of a record, with who signed it."""

    body: str
    node: Digest
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]


class Signer:
    """A node's private key; `node` is its public half in hexadecimal."""

    def __init__(self, key: Ed25519PrivateKey, file: Path | None = None) -> None:
        """`file` is where the key is kept, if it is."""
        self._key, self.file = key, file
        self.node = key.public_key().public_bytes_raw().hex()

    @classmethod
    def of_seed(cls, seed: bytes) -> Signer:
        """The key that 32 secret bytes determine."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def open(cls, path: Path) -> Signer:
        """Read the key, or make one at the first call; the file is readable by its owner only.

        Raises:
            Damaged: when the file is not such a key, or cannot be read.
        """
        if not path.exists():
            write_once(path, Ed25519PrivateKey.generate().private_bytes_raw().hex().encode())
        close_to_others(path)
        try:
            seed = bytes.fromhex(path.read_text(encoding="ascii").strip())
            return cls(Ed25519PrivateKey.from_private_bytes(seed), path)
        except ValueError as error:
            raise Damaged(f"'{path}' is not a node's key; move it away to make a new one (a new identity)") from error
        except OSError as error:
            raise Damaged(
                f"the key '{path}' cannot be read: {error.strerror}; make it readable, or move it away"
            ) from error

    def seal(self, record: Record) -> Sealed:
        """Sign a record."""
        body = record.to_json()
        signature = self._key.sign(_message(type(record), body))
        return Sealed(body=body.decode(), node=self.node, signature=signature.hex())


def unseal(sealed: Sealed, kind: type[R]) -> R:
    """The record inside, once the signature is known to be the node's.

    Raises:
        Refusal: for a wrong signature, or a body that is not the canonical JSON of such a record.
    """
    check_signature(sealed, kind)
    record = kind.from_json(sealed.body)
    if record.to_json() != sealed.body.encode():
        raise Refusal(f"this {kind.__name__.lower()} is not in canonical form; it was written by other software")
    return record


def check_signature(sealed: Sealed, kind: type[Record]) -> None:
    """Refuse bytes that the node did not sign as such a record; their content is not checked.

    Raises:
        Refusal: when it did not.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sealed.node))
        key.verify(bytes.fromhex(sealed.signature), _message(kind, sealed.body.encode()))
    except (InvalidSignature, ValueError) as error:
        raise Refusal(f"the signature of this {kind.__name__.lower()} is not by key {sealed.node[:12]}…") from error


def _message(kind: type[Record], body: bytes) -> bytes:
    return b"ratatouille/" + kind.__name__.encode() + b"\n" + body
