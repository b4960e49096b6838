"""Diagnosis of a registry that is not reached: the steps of a connection, made in order up to the first that fails."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import cast

from cryptography import x509
from cryptography.x509.oid import NameOID

from ratatouille.addresses import Address
from ratatouille.checks import StepCheck, bad, good
from ratatouille.errors import RatatouilleError
from ratatouille.proxies import proxy_for
from registry.transport.line import SECONDS, Broken, encrypted, open_line
from registry.transport.roots import Roots, roots_of

_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH, _NOT_YET, _EXPIRED = 62, 64, 9, 10
_MOST_NAMES = 5


def line_checks(url: str, seconds: float = SECONDS, roots: Roots | None = None) -> list[StepCheck]:
    """The steps up to the registry at an address, in their order; the last is the first that failed, if one did.

    Args:
        url: `grpcs://host:port` or `grpc://host:port`.
        seconds: how long one step may take.
        roots: the authorities that are believed; by default those of the address.

    Returns:
        Checks of the steps `name` and `port`, or `proxy` where one leads there, and `tls`.

    Raises:
        Refusal: for an address that is none, and for authorities or proxies that cannot be used.
    """
    address = Address.parse(url)
    proxy = proxy_for(address.host, address.port, address.encrypted)
    if address.encrypted and roots is None:
        roots = roots_of(url)
    checks: list[StepCheck] = []
    try:
        with open_line(address, seconds) as line:
            peer = str(line.getpeername()[0])
            if proxy is None:
                checks.append(good("name", f"the name {address.host} is {peer}"))
                checks.append(good("port", f"port {address.port} of {address.host} is open"))
            else:
                by = f"the proxy {proxy.host_and_port} (of {proxy.variable}) leads to {address.host_and_port}"
                checks.append(good("proxy", by))
            if address.encrypted:
                assert roots is not None
                with encrypted(line, _believing(roots), address.host) as tls:
                    checks.append(_of_handshake(tls, address))
    except ssl.SSLCertVerificationError as error:
        checks.append(_of_certificate(error, address, cast(Roots, roots), seconds))
    except Broken as error:
        if proxy is None and error.step == "port":
            checks.append(good("name", f"the name {address.host} is known"))
        step = "proxy" if proxy is not None and error.step in ("name", "port") else error.step
        checks.append(bad(step, error.cause, error.advice))
    return checks


def trouble(url: str) -> str | None:
    """Why the registry at an address is not reached, as one clause with the next step; None if the line is good."""
    try:
        last = line_checks(url)[-1]
    except RatatouilleError as error:
        return str(error)
    return None if last.good else last.sentence


def _believing(roots: Roots) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=roots.pem.decode("ascii"))
    return context


def _of_handshake(tls: ssl.SSLSocket, address: Address) -> StepCheck:
    certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    if tls.selected_alpn_protocol() != "h2":
        return bad(
            "tls",
            f"what answers at {address.host_and_port} speaks TLS and no HTTP/2 (its certificate is from "
            f"{_name(certificate.issuer)})",
            "a proxy on the way that opens the encryption may take it away: have the host excepted there",
        )
    until = certificate.not_valid_after_utc
    cause = f"TLS is trusted: the certificate of {address.host} is from {_name(certificate.issuer)}, until {until:%F}"
    return good("tls", cause)


def _of_certificate(error: ssl.SSLCertVerificationError, address: Address, roots: Roots, seconds: float) -> StepCheck:
    """Why a certificate is not believed; it is fetched again without a check to be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with open_line(address, seconds) as line, encrypted(line, context, address.host) as tls:
            certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    except (Broken, ValueError):
        return bad("tls", f"the certificate is not believed ({error.verify_message})", "check the address")
    return bad("tls", *_meaning(error.verify_code, certificate, address, roots))


def _meaning(code: int, certificate: x509.Certificate, address: Address, roots: Roots) -> tuple[str, str]:
    where, issuer = address.host_and_port, _name(certificate.issuer)
    now = f"(this machine's clock says {datetime.now(UTC):%F %H:%M} UTC)"
    if code in (_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH):
        return (
            f"the certificate at {where} is not for {address.host}, but for {_names(certificate)}",
            f"use one of these names, or have the coordinator started with `--public {address.host}`",
        )
    if code == _EXPIRED:
        return (
            f"the certificate at {where} ended on {certificate.not_valid_after_utc:%F %H:%M} UTC {now}",
            "have the maintainer renew it, or set the clock",
        )
    if code == _NOT_YET:
        return (
            f"the certificate at {where} holds from {certificate.not_valid_before_utc:%F %H:%M} UTC on {now}",
            "set the clock",
        )
    if roots.kind == "pinned":
        return (
            f"the certificate at {where} is from {issuer}, and not from the authority that the invitation named: "
            "somebody on the way opens the encryption (a company's proxy?), or the coordinator has a new authority",
            f"have {address.host} excepted from that, or join with a new invitation",
        )
    return (
        f"the certificate at {where} is from {issuer}, which is not among the authorities of {roots.source}",
        "join with an invitation that names it, or name its file with the setting authority or SSL_CERT_FILE",
    )


def _name(name: x509.Name) -> str:
    """A name of a certificate for people: its common name and organisation."""
    parts = [
        str(one.value)
        for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        for one in name.get_attributes_for_oid(kind)
    ]
    said = [part[:80] for part in dict.fromkeys(parts) if part.isprintable()]
    return f"'{said[0]}'" + (f" ({said[1]})" if len(said) > 1 else "") if said else "an authority without a name"


def _names(certificate: x509.Certificate) -> str:
    """The hosts that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        said = [str(one.value)[:80] for one in names if isinstance(one, x509.DNSName | x509.IPAddress)]
    except x509.ExtensionNotFound:
        said = []
    shown = ", ".join(said[:_MOST_NAMES]) + (
        f" and {len(said) - _MOST_NAMES} others" if len(said) > _MOST_NAMES else ""
    )
    return shown or "no host at all"
