"""A line to an address: TCP, through a proxy where one is set, then TLS; each failure has one cause and one next step.

gRPC reports every such failure with the same words. So a connection that failed is made again here with the standard
library, to find the cause.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ratatouille.addresses import Address
from ratatouille.errors import Unreachable
from ratatouille.proxies import Proxy, proxy_for

SECONDS = 4.0
"""How long one step may take: the name, the connection, the proxy, the handshake."""
_LONGEST_HEAD = 16_384


class Broken(Unreachable):
    """A step that failed: `cause` is what is wrong, `advice` what to do."""

    def __init__(self, step: str, cause: str, advice: str) -> None:
        super().__init__(f"{cause}; {advice}")
        self.step, self.cause, self.advice = step, cause, advice


@contextmanager
def open_line(address: Address, seconds: float = SECONDS) -> Iterator[socket.socket]:
    """A TCP connection to an address, through a proxy where the environment names one.

    Raises:
        Broken: when a step fails.
        Refusal: for a proxy of a kind that is not used.
    """
    proxy = proxy_for(address.host, address.port, address.encrypted)
    if proxy is None:
        line = _connected(address.host, address.port, "", seconds)
    else:
        line = _connected(proxy.host, proxy.port, f"the proxy of {proxy.variable}, ", seconds)
    with line:
        if proxy is not None:
            _pass_proxy(line, address, proxy)
        yield line


@contextmanager
def encrypted(
    line: socket.socket, context: ssl.SSLContext, host: str, protocols: Sequence[str] = ("h2", "http/1.1")
) -> Iterator[ssl.SSLSocket]:
    """TLS over a line.

    Raises:
        ssl.SSLCertVerificationError: for a certificate that is not believed.
        Broken: when there is no handshake.
    """
    context.set_alpn_protocols(list(protocols))
    try:
        with context.wrap_socket(line, server_hostname=host) as tls:
            yield tls
    except ssl.SSLCertVerificationError:
        raise
    except TimeoutError as error:
        raise Broken(
            "tls",
            f"{host} took the connection and said nothing",
            "check the port; a firewall on the way may also swallow what it does not know",
        ) from error
    except ssl.SSLError as error:
        raise Broken(
            "tls",
            f"what listens there speaks no TLS that fits ({error.reason or 'no handshake'})",
            "check the port; the address of a registry without a door begins with grpc://",
        ) from error
    except OSError as error:
        raise Broken(
            "tls",
            "the connection was ended during the TLS handshake",
            "check the port; a firewall on the way may also end what it does not know",
        ) from error


def _connected(host: str, port: int, who: str, seconds: float) -> socket.socket:
    found = _resolved(host, port, who, seconds)
    last: OSError = OSError("no address")
    until = time.monotonic() + seconds
    for family, kind, protocol, _, place in found:
        line = socket.socket(family, kind, protocol)
        try:
            line.settimeout(max(0.1, until - time.monotonic()))
            line.connect(place)
            line.settimeout(seconds)
            return line
        except OSError as error:
            line.close()
            last = error
    numbers = ", ".join(dict.fromkeys(str(place[0]) for *_, place in found))
    where = f"{who}{host}:{port}" + ("" if numbers == host else f" ({numbers})")
    if isinstance(last, ConnectionRefusedError):
        cause = f"nothing listens at {where}"
        advice = "check the port, and that the coordinator there is up"
    elif isinstance(last, TimeoutError):
        cause = f"{where} does not answer within {seconds:.0f} s"
        advice = f"let tcp/{port} to it through the firewall, or name a proxy in HTTPS_PROXY"
    else:
        cause = f"{where} cannot be reached ({last.strerror or last})"
        advice = "check this machine's network, or name a proxy in HTTPS_PROXY"
    raise Broken("port", cause, "check that variable" if who else advice) from last


_Found = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]]]


def _resolved(host: str, port: int, who: str, seconds: float) -> _Found:
    """The addresses of a name. A thread resolves it, since the system's resolver has no limit in time."""
    found: _Found = []
    reasons: list[OSError] = []

    def resolve() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
        except (OSError, UnicodeError) as error:
            reasons.append(error if isinstance(error, OSError) else OSError(str(error)))

    thread = threading.Thread(target=resolve, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if found:
        return found
    why = f" ({reasons[0].strerror or reasons[0]})" if reasons else f" within {seconds:.0f} s"
    advice = "check that variable" if who else "check the spelling, and that this machine's network has a name server"
    raise Broken("name", f"the name of {who}{host} cannot be resolved{why}", advice)


def _pass_proxy(line: socket.socket, address: Address, proxy: Proxy) -> None:
    target, where = address.host_and_port, f"the proxy {proxy.host_and_port} (of {proxy.variable})"
    login = "" if proxy.login is None else f"Proxy-Authorization: Basic {b64encode(proxy.login.encode()).decode()}\r\n"
    try:
        line.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD and (data := line.recv(1)):
            head += data  # byte by byte: what follows is the other side's
    except OSError as error:
        raise Broken(
            "proxy", f"{where} does not answer", "check that variable, or put the host into NO_PROXY"
        ) from error
    said = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    status = int(said[1]) if said else 0
    if 200 <= status < 300:
        return
    if status == 407:
        raise Broken("proxy", f"{where} wants a user and a password", "write http://user:password@host:port there")
    if status in (502, 503, 504):
        raise Broken("proxy", f"{where} cannot reach {target}", "check that the coordinator there is up")
    cause = f"{where} refuses connections to {target}" + (f" (HTTP {status})" if status else "")
    raise Broken("proxy", cause, "have that host and port allowed there, or put the host into NO_PROXY")
