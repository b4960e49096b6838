"""The authority of a front door: fetched from the door itself, and trusted if its digest is the invitation's pin."""

from __future__ import annotations

import hmac
import ssl
from contextlib import suppress
from http.client import HTTPException, HTTPResponse

from ratatouille.addresses import Address
from ratatouille.errors import Refusal
from ratatouille.record import sha256
from registry.transport.line import SECONDS, Broken, encrypted, open_line
from registry.transport.roots import certificates_in

AUTHORITY_PATH = "/join/authority.pem"
_LARGEST = 2**16


def fetch_authority(url: str, pin: str, seconds: float = SECONDS) -> bytes:
    """The certificate of an authority, as PEM. TLS is not checked here, since the pin proves the answer.

    Args:
        url: `grpcs://host:port`.
        pin: SHA-256 of the certificate (DER), in hexadecimal.
        seconds: how long one step may take.

    Raises:
        Unreachable: when the door is not reached.
        Refusal: when it has no such certificate.
    """
    address = Address.parse(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with open_line(address, seconds) as line, encrypted(line, context, address.host, ("http/1.1",)) as tls:
        request = f"GET {AUTHORITY_PATH} HTTP/1.1\r\nHost: {address.host_and_port}\r\nConnection: close\r\n\r\n"
        tls.sendall(request.encode())
        answer = HTTPResponse(tls)
        try:
            answer.begin()
            body = answer.read(_LARGEST)
        except HTTPException as error:
            raise Broken(
                "tls", f"what answers at {address.host_and_port} is no web server", "check the port"
            ) from error
    if answer.status != 200:
        raise Refusal(
            f"what answers at {address.host_and_port} is no coordinator's door (HTTP {answer.status} for "
            f"{AUTHORITY_PATH}); check the invitation, and that the coordinator there is up with --public"
        )
    for certificate in certificates_in(body):
        with suppress(ValueError):
            if hmac.compare_digest(sha256(ssl.PEM_cert_to_DER_cert(certificate.decode("ascii"))), pin):
                return certificate
    raise Refusal(
        f"the authority at {address.host_and_port} is not the one that the invitation names; ask the maintainer for a "
        "new invitation, and whether the coordinator has a new authority"
    )
