"""The registry that a command talks to, opened and closed, and the folders that its arguments name."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ratatouille.addresses import Address
from ratatouille.errors import Refusal
from ratatouille.folders import expanded
from ratatouille.home import coordinator_folder, remote_in_force
from registry.opening import open_registry
from registry.owner_key import read_owner_key
from registry.services.registry import Registry
from registry.storage_config import is_registry


def opened(remote: str | None, make: bool = False) -> AbstractContextManager[Registry]:
    """The registry in force, until the block ends; raises as `registry_in_force` does."""
    return closing(registry_in_force(remote, make))


def registry_in_force(remote: str | None, make: bool = False) -> Registry:
    """The registry that a command talks to.

    Args:
        remote: what `--remote` says.
        make: whether a folder that holds no registry becomes one; otherwise a mistyped path would look like a
            registry without versions.

    Raises:
        Refusal: for an address that is none, or a folder without a registry.
    """
    address = remote_in_force(remote).value
    folder = folder_of(address)
    if folder is not None and not make and not is_registry(folder):
        raise Refusal(
            f"there is no registry in '{folder}'; check the path, or start one with `ratatouille registry serve`"
        )
    return open_registry(address)


def own_folder(remote: str | None, command: str) -> Path:
    """The registry folder that a command works in, where the work cannot be asked of a service.

    Raises:
        Refusal: for a service, or a folder without a registry.
    """
    address = remote_in_force(remote).value
    folder, usual = folder_of(address), coordinator_folder() / "registry"
    if folder is None:
        example = f", such as --remote {usual}" if is_registry(usual) else ""
        raise Refusal(
            f"`ratatouille {command}` works in a registry's own folder, and {address} is a service; "
            f"run it on the service's machine with --remote FOLDER{example}"
        )
    if not is_registry(folder):
        raise Refusal(f"there is no registry in '{folder}'; check the path")
    return folder


def folder_of(address: str) -> Path | None:
    """The folder that an address means; None for a service."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in address else expanded(address)


def is_owner(remote: str | None) -> bool:
    """Whether this user of the operating system owns the registry in force: a folder, or a service of this home."""
    address = remote_in_force(remote).value
    return folder_of(address) is not None or read_owner_key(Address.parse(address)) is not None


def folder_named(revision: str) -> Path | None:
    """The folder that a word names; None for a revision. Revisions have no slash."""
    return expanded(revision) if "/" in revision or revision.startswith((".", "~")) else None
