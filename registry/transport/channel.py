"""Channels to registries: plain on this machine, through TLS and a proxy, where one is set, to others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from ratatouille.addresses import Address
from ratatouille.proxies import proxy_for
from registry.transport.roots import Roots, roots_of


def open_channel(url: str, options: Sequence[tuple[str, Any]] = (), roots: Roots | None = None) -> grpc.Channel:
    """A channel to the registry at an address; nothing is sent yet. `roots` are believed in place of the address's own.

    Raises:
        Refusal: for an address that is none, and for authorities or proxies that cannot be used.
    """
    address = Address.parse(url)
    proxy = proxy_for(address.host, address.port, address.encrypted)
    # gRPC would look at variables of its own, and at one spelling only.
    by_proxy = ("grpc.enable_http_proxy", 0) if proxy is None else ("grpc.http_proxy", proxy.url)
    all_options = [*options, by_proxy]
    if not address.encrypted:
        return grpc.insecure_channel(address.host_and_port, all_options)
    credentials = grpc.ssl_channel_credentials((roots or roots_of(url)).pem)
    return grpc.secure_channel(address.host_and_port, credentials, all_options)
