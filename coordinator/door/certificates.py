"""The operator's certificate files: checked before the door starts, copied into its folder, followed when they change.

Caddy reads such files once. So the door gives it copies whose names follow from their bytes: other bytes are another
configuration, which Caddy takes over while running, without closing a connection that is in use.
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtensionOID

from coordinator.door.config import Certificate
from coordinator.door.settings import PublicSettings
from ratatouille.errors import Refusal
from ratatouille.folders import make_private, write_whole
from ratatouille.processes.ports import LOOPBACK
from ratatouille.record import sha256


def copied(public: PublicSettings, folder: Path) -> Certificate | None:
    """Copies of the operator's files, in the door's folder; None where there are none.

    Raises:
        Refusal: for files that cannot be used, with the reason.
    """
    if public.cert is None or public.key is None:
        return None
    certificate, key = _read(public.cert, "--cert"), _read(public.key, "--key")
    _check(public, certificate, key)
    name = sha256(certificate + key)[:16]
    copies = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    make_private(folder)
    write_whole(copies.key, [key], private=True)
    write_whole(copies.certificate, [certificate], private=True)
    for old in folder.iterdir():
        if old.stem != name and old.suffix in (".crt", ".key"):
            old.unlink(missing_ok=True)
    return copies


def authority_of_files(certificate: Path) -> bytes | None:
    """The certificate (PEM) at the end of a chain, if it signed itself: clients must be given it.

    None where the chain ends with one that an authority signed, since systems know those of the web.
    """
    last = x509.load_pem_x509_certificates(certificate.read_bytes())[-1]
    try:
        last.verify_directly_issued_by(last)
    except (ValueError, TypeError, InvalidSignature):
        return None
    return last.public_bytes(Encoding.PEM)


def own_proxy_authority(public: PublicSettings) -> str | None:
    """The certificate (PEM) that clients of the operator's own proxy are to trust; None where systems know it."""
    found = None if public.cert is None else authority_of_files(Path(public.cert).expanduser())
    return None if found is None else found.decode()


def _read(file: str, option: str) -> bytes:
    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        raise Refusal(f"{option} {file} cannot be read: {error.strerror}") from error


def _check(public: PublicSettings, certificate: bytes, key: bytes) -> None:
    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
    except ValueError as error:
        raise Refusal(
            f"--cert {public.cert} has no certificate in PEM; give the full chain, the host's first"
        ) from error
    try:
        private = load_pem_private_key(key, None)
    except TypeError as error:
        raise Refusal(f"--key {public.key} has a passphrase, and the door starts unattended; take it away") from error
    except ValueError as error:
        raise Refusal(f"--key {public.key} has no private key in PEM") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise Refusal(f"--key {public.key} is not the key of --cert {public.cert}; give the two that belong together")
    if not _covers(leaf, public.name):
        raise Refusal(f"--cert {public.cert} is not for {public.name}, so no client would trust the door")
    if leaf.not_valid_after_utc < datetime.now(UTC):
        raise Refusal(f"--cert {public.cert} ended on {leaf.not_valid_after_utc:%Y-%m-%d}; renew it")


def _covers(leaf: x509.Certificate, name: str) -> bool:
    try:
        names = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return False
    assert isinstance(names, x509.SubjectAlternativeName)
    try:
        return ip_address(name) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        known = [one.lower() for one in names.get_values_for_type(x509.DNSName)]
        return name in known or f"*.{name.partition('.')[2]}" in known


def presented(port: int, name: str) -> bool:
    """Whether the door on this machine shows a certificate to who asks for this name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        wire = socket.create_connection((LOOPBACK, port), timeout=5)
        with wire, context.wrap_socket(wire, server_hostname=name):
            return True
    except OSError:
        return False
