"""The authorities that are trusted to sign the certificate of a registry's front door.

In this order: the one that the invitation pinned for this address; the file that the node's `authority`
($RATATOUILLE_AUTHORITY) or config.toml's names; $SSL_CERT_FILE; the store of this machine. gRPC and httpx bring bundles
of their own, which do not know what a company has added to its machines, so neither is left to choose.
"""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from ratatouille.errors import Refusal
from ratatouille.federations import authority_of
from ratatouille.folders import expanded
from ratatouille.home import read_config

AUTHORITY = "RATATOUILLE_AUTHORITY"
"""The environment variable with the `authority` of a node.toml, which its processes inherit."""
_USUAL_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep their store, for a Python that was built elsewhere and looks in another place."""
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True)
class Roots:
    """Authorities that are believed, and why."""

    pem: bytes
    """Certificates, one after the other; ASCII."""
    kind: Literal["pinned", "named", "system"]
    source: str
    """Where they come from, for people."""


def roots_of(address: str) -> Roots:
    """The authorities that are believed for an address.

    Raises:
        Refusal: for a file that cannot be read or has no certificate, and where this machine has no store.
    """
    if (pinned := authority_of(address)) is not None:
        return Roots(_certificates(pinned), "pinned", str(pinned))
    if said := os.environ.get(AUTHORITY):
        return Roots(_certificates(expanded(said)), "named", f"the setting authority, {said}")
    if (file := read_config().authority) is not None:
        return Roots(_certificates(expanded(file)), "named", f"the setting authority in config.toml, {file}")
    if said := os.environ.get("SSL_CERT_FILE"):
        return Roots(_certificates(expanded(said)), "named", f"SSL_CERT_FILE, {said}")
    return Roots(_system(), "system", "the store of this machine")


def _certificates(path: Path) -> bytes:
    """The certificates of a file, without what stands between them.

    Raises:
        Refusal: when there are none.
    """
    try:
        found = certificates_in(path.read_bytes())
    except OSError as error:
        raise Refusal(f"the authority file '{path}' cannot be read: {error.strerror}; check the path") from error
    if not found:
        raise Refusal(f"the authority file '{path}' has no certificate in PEM; name another one")
    return b"".join(found)


@lru_cache(maxsize=1)
def _system() -> bytes:
    """The store of this machine, as the standard library finds it.

    Raises:
        Refusal: where there is none.
    """
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    if certificates:  # those of a folder are not among them: they are read one by one, when they are needed
        return b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in certificates)
    folder = Path(ssl.get_default_verify_paths().capath or os.devnull)
    for files in ([Path(one) for one in _USUAL_FILES], sorted(folder.iterdir()) if folder.is_dir() else []):
        if found := [block for file in files if file.is_file() for block in certificates_in(file.read_bytes())]:
            return b"".join(dict.fromkeys(found))
    raise Refusal("this machine has no store of authorities; set SSL_CERT_FILE, or `authority` in config.toml")


def certificates_in(data: bytes) -> list[bytes]:
    """The certificates (PEM) in a file, without what stands between them."""
    return [block.replace(b"\r", b"") + b"\n" for block in _BLOCK.findall(data)]
