"""The SuperLink's certificate for loopback, made by the coordinator and trusted only by its own processes.

Flower checks the keys of nodes only where it speaks TLS. So a SuperLink behind a front door gets a certificate for
loopback. Its clients (the door, the executor, ServerApps, `Control`) trust this certificate and no other.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ratatouille.folders import make_private, write_whole

_LIFE, _LEAST = timedelta(days=3650), timedelta(days=1825)
"""How long a new certificate is valid, and the least time that it must be valid when a SuperLink starts with it."""
SERVER_NAME = "localhost"


@dataclass(frozen=True)
class LoopbackTls:
    """A certificate and its private key, both files in PEM."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """The TLS context of a client of this SuperLink."""
        return ssl.create_default_context(cafile=str(self.certificate))


def loopback_tls(folder: Path, now: datetime | None = None) -> LoopbackTls:
    """The certificate in a folder; a new one where there is none, or where it is valid for less than `_LEAST`.

    Both files are readable by their owner only.
    """
    now = now or datetime.now(UTC)
    found = LoopbackTls(folder / "certificate.pem", folder / "key.pem")
    if not (found.certificate.exists() and found.key.exists()) or _end(found.certificate) - now < _LEAST:
        _make(found, now)
    return found


def _end(certificate: Path) -> datetime:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


def _make(files: LoopbackTls, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ratatouille SuperLink on loopback")])
    names = [x509.DNSName(SERVER_NAME), *(x509.IPAddress(ip_address(one)) for one in ("127.0.0.1", "::1"))]
    public = key.public_key()
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, encipher_only=False, decipher_only=False, **usage
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    make_private(files.certificate.parent)
    write_whole(files.key, [private], private=True)
    write_whole(files.certificate, [certificate.public_bytes(pem)], private=True)
