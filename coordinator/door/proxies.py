"""The configuration of an operator's own front door, nginx or Caddy: it lets through what ours does, and no more.

The paths and limits are those of `config`; the templates beside this module have what each program calls them. The
loopback certificate of the SuperLink is made here if it is not there yet, since the configuration trusts it by name.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from importlib.resources import files
from shlex import quote
from typing import Literal

from coordinator.door import config
from coordinator.door.certificates import own_proxy_authority
from coordinator.door.config import LoopbackPorts
from coordinator.door.process import OLDEST
from coordinator.door.settings import PublicSettings
from coordinator.loopback_tls import SERVER_NAME
from ratatouille.processes.ports import LOOPBACK
from registry.transport.authority import AUTHORITY_PATH

Program = Literal["nginx", "caddy"]
USERS: dict[Program, str] = {"nginx": "www-data", "caddy": "caddy"}
"""Whom the packages of Debian let them work as."""


def proxy_config(program: Program, public: PublicSettings, behind: LoopbackPorts, more: tuple[str, ...] = ()) -> str:
    """The configuration of a program, with comments that say how to use it.

    Args:
        program: which one.
        public: name and port that others use, and the certificate, if there are files with one.
        behind: the addresses behind it.
        more: further words of the command that starts the coordinator.
    """
    from jinja2 import Environment, StrictUndefined

    certificate = public.cert or f"/etc/letsencrypt/live/{public.name}/fullchain.pem"
    key = public.key or f"/etc/letsencrypt/live/{public.name}/privkey.pem"
    authority = own_proxy_authority(public)
    der = ssl.PEM_cert_to_DER_cert(behind.tls.certificate.read_text())
    source = (files("coordinator.door") / "templates" / f"{program}.jinja").read_text(encoding="utf-8")
    text = Environment(undefined=StrictUndefined, autoescape=False).from_string(source)  # noqa: S701
    return text.render(
        public=public,
        command=_command(program, public, more),
        certificate=certificate,
        key=key,
        authority=None if authority is None else authority.strip() + "\n",
        authority_path=AUTHORITY_PATH,
        fleet=config.FLEET_PATHS,
        grpc=config.GRPC_PATTERN,
        page=config.PAGE_PATTERN,
        deleted=config.DELETED,
        limits=config,
        oldest=".".join(map(str, OLDEST)),
        registry=f"{LOOPBACK}:{behind.registry}",
        superlink=f"{LOOPBACK}:{behind.superlink}",
        web=None if behind.web is None else f"{LOOPBACK}:{behind.web}",
        tls=behind.tls,
        server_name=SERVER_NAME,
        trusted=b64encode(der).decode(),
    )


def _command(program: Program, public: PublicSettings, more: tuple[str, ...]) -> str:
    words = ["--public", public.address, "--own-proxy", "--proxy-user", public.proxy_user or USERS[program]]
    for option, value in (("--cert", public.cert), ("--key", public.key)):
        words += [] if value is None else [option, value]
    for network in public.trusted_proxies:
        words += ["--trusted-proxy", network]
    return " ".join(["ratatouille coordinator up", *map(quote, (*words, *more))])
