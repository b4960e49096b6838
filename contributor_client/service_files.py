"""Files that let a machine run a node: a unit for systemd, and a file for Docker Compose, with the owner's paths.

Both stop the node with SIGTERM and wait until a large training is saved, start it again after a failure, and leave it
alone when it left by itself. They confine it, but for what would take its GPU away: no private /dev, and memory may be
written and executed, since CUDA compiles kernels.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ratatouille.addresses import Address
from ratatouille.tasks.node import NodeSettings

STOP_SECONDS = 120
"""More than a node takes to save its work and to leave."""
AGAIN_SECONDS = 30
"""Between a failure and the next start; a registry may be down for a while."""


@dataclass(frozen=True)
class ServiceOf:
    """A node as a service: its settings, and all the places that it needs."""

    settings: NodeSettings
    file: Path
    """The node.toml."""
    home: Path
    folder: Path
    """The node's own."""
    remote: str
    """The registry's address, or a folder."""

    @property
    def written(self) -> list[Path]:
        """The folders that the node writes to; none lies in another one."""
        return _outermost([self.home, self.folder, *filter(None, [self.settings.turns])])

    @property
    def read(self) -> list[Path]:
        """What the node reads besides."""
        settings = self.settings
        secrets = [table.fingerprint_secret_file for table in settings.data]
        places = [self.file, *(table.path for table in settings.data), *filter(None, [settings.authority, *secrets])]
        return [one for one in _outermost(places) if not any(one.is_relative_to(folder) for folder in self.written)]


def systemd_unit(service: ServiceOf, user: str | None) -> str:
    """The unit: for the owner's own manager (`systemctl --user`), or the system's, with the name of a user.

    A user's manager cannot give a service a view of the file system of its own on every kernel, so only the system's
    unit has such options.
    """
    lines = [
        "[Unit]",
        f"Description=Ratatouille node {service.settings.name}",
        *(["Wants=network-online.target", "After=network-online.target"] if user else []),
        "",
        "[Service]",
        "Type=exec",
        *([f"User={user}"] if user else []),
        f"Environment={_quoted(f'RATATOUILLE_HOME={service.home}')}",
        "ExecStart=" + " ".join(_quoted(word, command=True) for word in _command(service, sys.executable)),
        "# SIGTERM to the node alone: it saves the training, and ends its other processes in order.",
        "KillMode=mixed",
        f"TimeoutStopSec={STOP_SECONDS}",
        "# `node leave` and a time limit end it for good; a failure, such as a registry that is down, does not.",
        "Restart=on-failure",
        f"RestartSec={AGAIN_SECONDS}",
        "UMask=0077",
        "NoNewPrivileges=yes",
        "LockPersonality=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    ]
    if user:
        lines += [
            "# PrivateDevices and MemoryDenyWriteExecute are left out: they would take the GPU away.",
            "PrivateTmp=yes",
            "ProtectSystem=strict",
            "ProtectHome=read-only",
            *(f"ReadWritePaths={_quoted(str(folder))}" for folder in service.written),
            "ProtectControlGroups=yes",
            "ProtectKernelTunables=yes",
            "RestrictNamespaces=yes",
        ]
    return "\n".join([*lines, "", "[Install]", f"WantedBy={'multi-user' if user else 'default'}.target", ""])


def compose_file(service: ServiceOf, version: str) -> str:
    """The Compose file: a public image of Python with this release, and the owner's folders under their own paths."""
    settings, python = service.settings, f"{sys.version_info.major}.{sys.version_info.minor}"
    install = f'RUN pip install --no-cache-dir "model-ratatouille[node]=={version}"'
    address = Address.of(service.remote)
    devices = [one for one in settings.devices if one.startswith("cuda")]
    node: dict[str, object] = {
        "build": {
            "context": ".",
            "dockerfile_inline": f"FROM python:{python}-slim\n{install}\n",
        },
        "command": _command(service, "python"),
        "environment": {"RATATOUILLE_HOME": str(service.home)},
        "user": f"{os.getuid()}:{os.getgid()}",
        "init": True,
        "stop_signal": "SIGTERM",
        "stop_grace_period": f"{STOP_SECONDS}s",
        "restart": "on-failure",
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "volumes": [
            *(_mount(folder, read_only=False) for folder in service.written),
            *(_mount(place, read_only=True) for place in service.read),
        ],
    }
    if address is None or address.is_loopback:
        node["network_mode"] = "host"  # the registry is on this machine
    if devices:
        numbers = [one.partition(":")[2] for one in devices]
        which: dict[str, object] = {"count": "all"} if "" in numbers else {"device_ids": numbers}
        gpu = {"driver": "nvidia", **which, "capabilities": ["gpu"]}
        node["deploy"] = {"resources": {"reservations": {"devices": [gpu]}}}
    text = {"name": f"ratatouille-{settings.name.lower().replace('.', '-')}", "services": {"node": node}}
    return "\n".join(_yaml(_escaped(text))) + "\n"


def _command(service: ServiceOf, python: str) -> list[str]:
    command = [python, "-P", "-m", "ratatouille", "node", "join", str(service.file)]
    return [*command, "--remote", service.remote, "--folder", str(service.folder)]


def _outermost(places: Iterable[Path]) -> list[Path]:
    """The places without those that lie in another one."""
    different = list(dict.fromkeys(one.absolute() for one in places))
    return [one for one in different if not any(one != other and one.is_relative_to(other) for other in different)]


def _quoted(text: str, command: bool = False) -> str:
    """A word as systemd reads it: without specifiers and, in a command, without variables."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped.replace("$", "$$") if command else escaped}"'


def _mount(place: Path, read_only: bool) -> dict[str, object]:
    return {"type": "bind", "source": str(place), "target": str(place), "read_only": read_only}


def _escaped(value: object) -> object:
    """The same value with each `$` doubled, as Compose reads one."""
    if isinstance(value, Mapping):
        return {name: _escaped(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_escaped(one) for one in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _yaml(value: object, indent: str = "") -> list[str]:
    """Lines of YAML: mappings and lists in block form, each other value as JSON, which is YAML too."""
    if isinstance(value, Mapping):
        pairs = [(f"{indent}{name}:", one) for name, one in value.items()]
    elif isinstance(value, list):
        pairs = [(f"{indent}-", one) for one in value]
    else:
        return [f"{indent}{json.dumps(value)}"]
    lines: list[str] = []
    for begin, one in pairs:
        if isinstance(one, Mapping | list):
            lines += [begin, *_yaml(one, indent + "  ")]
        else:
            lines.append(f"{begin} {json.dumps(one)}")
    return lines
