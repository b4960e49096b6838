"""`ratatouille coordinator proxy`: the configuration for people who have a front door already."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from coordinator.door import options
from coordinator.door.proxies import Program, proxy_config
from ratatouille.cli.output import Home, NoWeb, print_text
from ratatouille.errors import Refusal
from ratatouille.home import coordinator_folder, read_ports


def proxy(
    program: Annotated[Program, typer.Argument(help="Which program.", metavar="nginx|caddy")],
    folder: Home = None,
    public: options.Public = None,
    cert: options.Cert = None,
    key: options.Key = None,
    trusted_proxy: options.TrustedProxy = None,
    no_web: NoWeb = False,
) -> None:
    """Print the configuration of nginx or Caddy that lets others in as our front door does.

    Name, certificate and ports are those that the coordinator of the folder was last started with; the page's port is
    that of a running one. Before the first start, name the address with --public. Comments in it say how to use it.
    """
    from coordinator.door.config import LoopbackPorts
    from coordinator.loopback_tls import loopback_tls
    from coordinator.supervisor import running_pid
    from registry.opening import open_registry

    place = (folder or coordinator_folder()).resolve()
    settings = options.public_in_force(place, public, False, cert=cert, key=key, trusted_proxies=trusted_proxy)
    if settings is None:
        raise Refusal(
            f"the coordinator of {place} has no address for others yet; say which one your proxy answers at: "
            f"`ratatouille coordinator proxy {program} --public NAME:PORT`"
        )
    ports = read_ports(place)
    page = None if no_web else ports.web or None
    if running_pid(place) is not None:
        registry = open_registry(f"grpc://127.0.0.1:{ports.registry}")
        address = registry.info().web
        registry.close()
        page = None if address is None else urlsplit(address).port
    behind = LoopbackPorts(ports.registry, ports.superlink, loopback_tls(place / "flower" / "tls"), page)
    more = () if folder is None else ("--folder", str(place))
    print_text(proxy_config(program, settings, behind, more))
