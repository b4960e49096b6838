"""`open_store(url)`: where complete weights lie, chosen by one URL that holds no secrets.

A folder, or `s3://bucket/prefix` with region, endpoint and credentials from the usual AWS_* variables. `gs://` and
`az://` are opened too, with the variables that obstore reads for them; `memory://name` lives as long as the process.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ratatouille.errors import Refusal
from ratatouille.folders import expanded
from registry.blobs.folder import FolderStore
from registry.blobs.store import BlobStore

if TYPE_CHECKING:
    from obstore.store import ClientConfig, MemoryStore, RetryConfig

SCHEMES = ("s3", "gs", "az", "memory")
_ADDRESS = re.compile(r"(\w+)://([A-Za-z0-9][A-Za-z0-9._-]{0,62})((?:/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*)/?")
_NO_ADDRESS = (
    f"the address of the store for weights must be a folder or like s3://bucket/prefix ({', '.join(SCHEMES)}); "
    "it takes no user, password or parameters: credentials belong into variables such as AWS_ACCESS_KEY_ID"
)
CONNECT_SECONDS, REQUEST_SECONDS = 5, 60
"""A request carries a few megabytes at most."""
RETRY_SECONDS, MOST_RETRIES = 20, 6
"""Longer troubles are Unreachable, and callers that wait for the registry try again."""


def open_store(url: str) -> BlobStore:
    """Open a store; nothing is sent yet (`check` does).

    Raises:
        Refusal: for an address of another kind or with secrets in it, a folder that cannot be used, or a missing extra.
    """
    parts = urlsplit(url)
    if "://" not in url or parts.scheme == "file":
        folder = expanded(unquote(parts.path) if parts.scheme == "file" else url)
        if not folder.is_absolute() or parts.netloc not in ("", "localhost"):
            raise Refusal(f"the folder {folder} for weights must be named from the root, such as /srv/weights")
        try:
            return FolderStore(folder)
        except OSError as error:
            raise Refusal(f"the folder {folder} for weights cannot be used: {error.strerror}") from error
    found = _ADDRESS.fullmatch(url)
    if not found or found[1] not in SCHEMES or (found[1] == "memory" and found[3]):
        raise Refusal(_NO_ADDRESS)  # which is not repeated: it may hold a secret
    try:
        from registry.blobs.objects import Objects
    except ImportError as error:
        raise Refusal(
            f"{found[1]}:// needs obstore, which is not installed: pip install 'model-ratatouille[s3]'"
        ) from error
    if found[1] == "memory":
        return Objects(_memory(found[2]), url)
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "timeout": timedelta(seconds=REQUEST_SECONDS),
    }
    if found[1] == "s3" and _plain(os.environ):
        client["allow_http"] = True
    retry: RetryConfig = {"max_retries": MOST_RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    try:
        return Objects(from_url(url.rstrip("/"), client_options=client, retry_config=retry), url)
    except BaseError as error:
        reason = str(error).splitlines()[0]
        raise Refusal(f"the store {url} for weights cannot be opened: {reason}") from error


def _plain(environment: Mapping[str, str]) -> bool:
    """Whether the endpoint is spoken to without TLS, which is for this machine, or for those who ask for it by name.

    Raises:
        Refusal: for an endpoint elsewhere without TLS.
    """
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    endpoint = urlsplit(next((environment[name] for name in names if environment.get(name)), ""))
    if endpoint.scheme != "http":
        return False
    host = endpoint.hostname or ""
    if not _loopback(host) and environment.get("AWS_ALLOW_HTTP", "").lower() != "true":
        raise Refusal(
            f"the endpoint {host} would get weights without encryption; give it as https://, "
            "or set AWS_ALLOW_HTTP=true where nobody else can listen"
        )
    return True


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _memory(name: str) -> MemoryStore:
    """One for each name, so that a registry that is opened again finds its weights."""
    from obstore.store import MemoryStore

    return MemoryStore()
