"""The subject of `node check` and `node doctor`: an address, and what is known of the node there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ratatouille.addresses import Address
from ratatouille.errors import Refusal
from ratatouille.federations import federations
from ratatouille.folders import expanded
from ratatouille.home import coordinator_folder, ports_file, remote_in_force
from ratatouille.invitation import PREFIX, Invitation
from ratatouille.tasks.node import NodeSettings, read_node_settings
from registry.commands.joining import STDIN, read_given
from registry.transport.roots import AUTHORITY

NODE_FILE = Path("node.toml")
_LONGEST_SAID = 120
"""Characters of a word that is no file; longer ones are not repeated."""


@dataclass(frozen=True)
class Subject:
    """What is checked: an address, and what is known of the node that is to work there."""

    address: str
    settings: NodeSettings | None = None
    file: Path | None = None
    """The node.toml."""
    invitation: Invitation | None = None
    folder: Path | None = None
    """The node's folder; None for a node that does not exist yet."""


def subject_of(given: str | None, remote: str | None) -> Subject:
    """What the words of a command mean: an invitation, a node.toml, or, without one, what this home has joined.

    A node.toml in the working folder counts with an invitation, too: `node join --invite` would use both.

    Args:
        given: the invitation's line, `-`, a file with either; None for node.toml here, if there is one.
        remote: what `--remote` says.

    Raises:
        Refusal: for what is neither, and where nothing says which federation is meant.
    """
    invitation = read_given(given) if given is not None and _is_invitation(given) else None
    file: Path | None = NODE_FILE if NODE_FILE.exists() else None
    if given is not None and invitation is None:
        file = expanded(given)
    settings = None if file is None else read_node_settings(file)
    if invitation is not None and remote is not None:
        raise Refusal("the invitation says where the registry is; leave --remote out")
    if invitation is not None:
        address = invitation.address
    elif remote is not None or (settings is not None and settings.remote is not None):
        address = remote_in_force(remote or (settings.remote if settings is not None else None)).value
    else:
        address = _joined(settings is not None)
    return made_subject(address, settings, file, invitation)


def made_subject(
    address: str,
    settings: NodeSettings | None,
    file: Path | None,
    invitation: Invitation | None = None,
    folder: Path | None = None,
) -> Subject:
    """The subject with these parts; the authority that the node's settings name is believed from now on.

    Raises:
        Refusal: for a registry that is a folder, which no node joins.
    """
    if Address.of(address) is None:
        raise Refusal(f"{address!r} is no address that a node joins; say one with --remote grpcs://NAME:PORT")
    if settings is not None:
        believe_authority(settings)
    return Subject(address, settings, file, invitation, folder or (None if settings is None else settings.place))


def believe_authority(settings: NodeSettings) -> None:
    """Believe the authority that a node.toml names, in this process and its children."""
    if settings.authority is not None:
        os.environ[AUTHORITY] = str(settings.authority.resolve())


def _is_invitation(given: str) -> bool:
    if given.strip().startswith(PREFIX) or given == STDIN:
        return True
    # A broken line looks like a path, and has a secret: what is long is not repeated.
    said = f"'{given}'" if len(given) < _LONGEST_SAID else f"of {len(given)} characters"
    try:
        with expanded(given).open(encoding="utf-8") as file:
            return file.read(1000).lstrip().startswith(PREFIX)
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError):
        raise Refusal(f"the file {said} cannot be read as text; give a node.toml, or an invitation") from None
    raise Refusal(f"there is no file {said}; give a node.toml, or an invitation: its file, `-`, or the line")


def _joined(has_settings: bool) -> str:
    """The address of the federation that this home has joined, or of the default remote where it may be meant."""
    joined, default = [one.address for one in federations()], remote_in_force(None).value
    if default in joined or len(joined) != 1:
        if not joined and not has_settings and not _has_own(default):
            raise Refusal(
                "there is nothing to check: no node.toml is here, and this home has joined no federation; give an "
                "invitation (its file, `-`, or the line) or a node.toml"
            )
        if len(joined) > 1 and default not in joined:
            raise Refusal(f"this home has joined several federations ({', '.join(joined)}); say --remote")
        return default
    return joined[0]


def _has_own(default: str) -> bool:
    """Whether a coordinator of this home, or an address that was named, stands behind the default."""
    return ports_file(coordinator_folder()).exists() or default != remote_in_force("local").value
