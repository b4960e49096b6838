"""The configuration of Caddy: one JSON document, a pure function of addresses and settings.

What is answered is a list of exact addresses; everything else is 404. Caddy's own matcher of paths ignores case and
cleans paths first, so here the request line itself is compared, byte for byte. Calls of the registry are long streams
and pass as they come; the registry has its own limits for them. Flower reads whole bodies before it asks who calls. So
a fleet call waits in the door until its body is here, at most so many of them at a time, and the SuperLink only gets
whole ones. A second listener, on a socket that only we can open, does this: only between two listeners can Caddy count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coordinator.door.settings import LETS_ENCRYPT, PublicSettings
from coordinator.flower_superlink import FLEET_CALLS, KEYLESS_CALLS
from coordinator.loopback_tls import SERVER_NAME, LoopbackTls
from ratatouille.processes.ports import LOOPBACK
from registry.transport.authority import AUTHORITY_PATH
from registry.web import PAGES

Json = dict[str, Any]

FLEET_PATHS = tuple(f"/v1/fleet/{call}" for call in FLEET_CALLS if call not in KEYLESS_CALLS)
"""The paths that a SuperNode with a registered key calls."""
GRPC_PATTERN = r"^/ratatouille\.registry\.v1\.[A-Za-z]+/[A-Za-z]+$"
PAGE_PATTERN = rf"^/(\?.*|({'|'.join(map(re.escape, sorted(PAGES)))})([/?].*)?)?$"
PUSH_PATTERN = r"^/ratatouille\.registry\.v1\.(Weights|Registry)/Push$"
"""The only calls of the registry with long bodies; it takes them from contributors, a piece at a time."""
LONGEST_CALL = 18 * 2**20
"""Bytes of any other call of the registry: gRPC holds the whole message before it looks how long it is."""
LONGEST_BODY = 2**20
"""Bytes of a fleet call; an order or a reply has kilobytes."""
MOST_FLEET_CALLS = 256
"""So many at one time; `LONGEST_BODY` times this bounds the memory for them. Others get status 503, and come again."""
MOST_CALLS, MOST_PAGES = 2000, 200
"""Calls of the registry at one time, streams too, and requests of pages."""
HEAD_SECONDS, BODY_SECONDS, IDLE_SECONDS = 5, 15, 60
LONGEST_HEAD = 32 * 2**10
GRACE_SECONDS = 3
SHORT_BODY = 2**16
SLOWEST = 20_000
"""Bytes a second that a body must come with, once `BODY_SECONDS` are over."""
DELETED = ("Forwarded", "X-Real-Ip", "X-Forwarded-Host")
"""Headers in which a caller would say where it comes from."""
_SLOW: Json = {"handler": "timeouts", "read_timeout": BODY_SECONDS * 10**9, "read_min_rate": SLOWEST}


@dataclass(frozen=True)
class LoopbackPorts:
    """What stands behind a door, on loopback."""

    registry: int
    """Port of the registry's gRPC."""
    superlink: int
    tls: LoopbackTls
    """The SuperLink's certificate."""
    web: int | None = None
    """Port of the web page; None for no page."""


@dataclass(frozen=True)
class Certificate:
    """Files with a certificate, its chain and its key."""

    certificate: Path
    key: Path


def door_config(
    public: PublicSettings,
    behind: LoopbackPorts,
    storage: Path,
    socket: Path,
    certificate: Certificate | None = None,
    authority: Path | None = None,
) -> Json:
    """Caddy's configuration.

    Args:
        public: name, port, and where the certificate comes from.
        behind: the addresses behind the door.
        storage: folder for Caddy's certificates and keys.
        socket: where the second listener is.
        certificate: the operator's files, if there are any.
        authority: file with the certificate (PEM) that clients are to trust; None where they know it.
    """
    secured = {"protocols": ["h1", "h2"], "automatic_https": {"disable": True}, "max_header_bytes": LONGEST_HEAD}
    # Caddy's own limit on silent bodies is switched off: it would take the place of `_SLOW`, and end quiet streams.
    limits = {"read_header_timeout": f"{HEAD_SECONDS}s", "idle_timeout": f"{IDLE_SECONDS}s", "read_idle_timeout": -1}
    trust: Json = {}
    if public.trusted_proxies:
        ranges = list(public.trusted_proxies)
        trust = {"trusted_proxies": {"source": "static", "ranges": ranges}, "trusted_proxies_strict": 1}
    door = {
        "listen": [f":{public.port}"],
        **secured,
        **limits,
        **trust,
        "tls_connection_policies": [{"default_sni": public.name, "fallback_sni": public.name}],
        "routes": _routes(behind, socket, authority),
    }
    fleet = {"listen": [f"unix/{socket}|0600"], **secured, **limits, "protocols": ["h1"], "routes": [_buffered(behind)]}
    own = {"local": {"name": "Ratatouille front door", "install_trust": False}}
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(storage)},
        "apps": {
            "http": {"servers": {"door": door, "fleet": fleet}, "grace_period": f"{GRACE_SECONDS}s"},
            "tls": _tls(public, certificate),
            "pki": {"certificate_authorities": own},
        },
    }


def _routes(behind: LoopbackPorts, socket: Path, authority: Path | None) -> list[Json]:
    uri = "{http.request.uri}"
    call = {"method": ["POST"], "protocol": "grpc", "vars_regexp": {uri: {"pattern": GRPC_PATTERN}}}
    registry = _proxy(f"{LOOPBACK}:{behind.registry}", {"protocol": "http", "versions": ["h2c"]}, MOST_CALLS)
    # HTTP/2 only: over HTTP/1.1 a call cannot end with its status, and its body would have no limit in time.
    stream = {**call, "vars": {"{http.request.proto}": ["HTTP/2.0"]}}
    passed = registry | {"flush_interval": -1}
    pushes = {**stream, "vars_regexp": {uri: {"pattern": PUSH_PATTERN}}}
    routes: list[Json] = [_route(pushes, passed), _route(stream, _size(LONGEST_CALL), passed)]
    routes += [{"handle": [_SLOW]}]
    fleet = {"method": ["POST"], "vars": {uri: list(FLEET_PATHS)}}
    routes += [_route(fleet, _size(LONGEST_BODY), _proxy(f"unix/{socket}", {"protocol": "http"}, MOST_FLEET_CALLS))]
    if authority is not None:
        answer: Json = {"handler": "static_response", "body": f"{{file.{authority}}}\n"}
        answer["headers"] = {"Content-Type": ["application/x-pem-file"], "Cache-Control": ["no-store"]}
        routes += [_route({"method": ["GET"], "vars": {uri: [AUTHORITY_PATH]}}, _size(SHORT_BODY), answer)]
    if behind.web is not None:
        seen = {"method": ["GET", "HEAD"], "vars_regexp": {uri: {"pattern": PAGE_PATTERN}}}
        page = _proxy(f"{LOOPBACK}:{behind.web}", {"protocol": "http"}, MOST_PAGES, host=f"{LOOPBACK}:{behind.web}")
        routes += [_route(seen, _size(SHORT_BODY), page)]
    nothing = {"handler": "static_response", "status_code": 404, "body": "there is nothing here\n", "close": True}
    return [*routes, {"handle": [_size(SHORT_BODY), nothing]}]


def _buffered(behind: LoopbackPorts) -> Json:
    """The second listener: the whole body, then the SuperLink, which is known by its own certificate."""
    root = {"provider": "file", "pem_files": [str(behind.tls.certificate)]}
    transport = {"protocol": "http", "tls": {"ca": root, "server_name": SERVER_NAME}, "dial_timeout": "3s"}
    address = f"{LOOPBACK}:{behind.superlink}"
    caller = "{http.request.header.X-Forwarded-For}"  # as the first listener has put it there
    proxy = _proxy(address, transport, MOST_FLEET_CALLS, address, caller) | {"request_buffers": LONGEST_BODY}
    return {"handle": [_SLOW, _size(LONGEST_BODY), proxy]}


def _proxy(
    address: str, transport: Json, most: int, host: str | None = None, caller: str = "{http.vars.client_ip}"
) -> Json:
    """Pass on, with the caller's address and nothing else that a caller says about where it comes from.

    What stands behind is also told that the caller came by TLS: the page's cookie is then sent by TLS only.
    """
    named = {"X-Forwarded-For": [caller], "X-Forwarded-Proto": ["https"]} | ({} if host is None else {"Host": [host]})
    headers = {"set": named, "delete": list(DELETED)}
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": address, "max_requests": most}],
        "transport": transport,
        "headers": {"request": headers},
    }


def _route(match: Json, *handlers: Json) -> Json:
    return {"match": [match], "handle": list(handlers), "terminal": True}


def _size(most: int) -> Json:
    return {"handler": "request_body", "max_size": most}


def _tls(public: PublicSettings, certificate: Certificate | None) -> Json:
    if certificate is not None:
        files = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
        return {"certificates": {"load_files": [files]}}
    issuer: Json = {"module": "internal"}
    if public.source == "acme":
        # The second challenge comes to the door's own port, which is 443 or what 443 is forwarded to.
        challenges = {"tls-alpn": {"alternate_port": public.port}}
        issuer = {"module": "acme", "ca": public.acme_directory or LETS_ENCRYPT, "challenges": challenges}
        issuer |= {"email": public.acme_email} if public.acme_email else {}
        issuer |= {"trusted_roots_pem_files": [public.acme_root]} if public.acme_root else {}
    policy: Mapping[str, Any] = {"subjects": [public.name], "issuers": [issuer]}
    return {"certificates": {"automate": [public.name]}, "automation": {"policies": [policy]}}
