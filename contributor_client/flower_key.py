"""The key by which Flower knows a node: ECDSA on P-384, in OpenSSH's form, made on this machine and kept there.

It signs nothing but the times at which the node calls Flower's SuperLink; what counts is signed by the node's own key.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from ratatouille.errors import Refusal
from ratatouille.folders import close_to_others, write_once


def flower_public_key(path: Path) -> str:
    """The public half of the key in a file, as OpenSSH writes it; the first use makes the key.

    Raises:
        Refusal: for a file that cannot be read, or that is no such key.
    """
    if not path.exists():
        made = ec.generate_private_key(ec.SECP384R1())
        write_once(path, made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    close_to_others(path)
    try:
        key = load_ssh_private_key(path.read_bytes(), None)
        fits = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1)
    except OSError as error:
        raise Refusal(f"the Flower key '{path}' cannot be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm, TypeError):
        fits = False
    if not fits:
        raise Refusal(f"'{path}' is no key for Flower; remove it, and the node makes a new one")
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def replace_flower_key(path: Path) -> str:
    """Make a new key in place of one that Flower does not take back; returns its public half."""
    path.unlink(missing_ok=True)
    return flower_public_key(path)
