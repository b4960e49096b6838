"""The Flower app bundle, a constant archive that names our two apps and carries no code, and how messages carry bytes.

Flower insists on sending a bundle to every node, and code inside a bundle would shadow what is installed there. Ours is
made from the `pyproject.toml` beside this file, so that both sides compute its hash from their own installation. They
accept this hash and that of the previous minor release, and no other. Who submits and who runs it is in `coordinator`
and `contributor_client`.

A message holds one record with one entry. Flower knows the prefixes train, evaluate and query; ours are queries,
because to Flower they are questions with short answers, whatever the node does to find them. Requests of our processes
to Flower's guarded services are signed by an interceptor of Flower's HTTP clients.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ratatouille.errors import UPGRADE, Refusal
from ratatouille.processes.secret import HEADER, Secret
from ratatouille.record import sha256

if TYPE_CHECKING:
    import httpx
    from flwr.app import RecordDict
    from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_MANIFEST, _CONTENT = "pyproject.toml", ".info/CONTENT"


@cache
def build_bundle() -> bytes:
    """Our bundle, the same bytes wherever the same version is installed."""
    manifest = files(__package__).joinpath(_MANIFEST).read_bytes()
    # git and editors may change line ends; the hash must not depend on them.
    return archive({_MANIFEST: manifest.replace(b"\r\n", b"\n")})


def bundle_hash() -> str:
    """The hash that Flower puts on the tasks of a run of our bundle."""
    return sha256(build_bundle())


SENT = {"0.1": "c3221b09b38b232a9d8be1520fc476f26cbf235d01c07ee52331042a0b28e701"}
"""The hash of the bundle that each minor release sends: this one, and the one before."""


def accepted_bundles() -> tuple[str, ...]:
    """The hashes of the bundles that may run here: our own, and that of the previous minor release.

    So an older coordinator's orders are done by newer nodes: the two sides need not be upgraded together.
    """
    return tuple(dict.fromkeys((bundle_hash(), *SENT.values())))


class ForeignBundle(Refusal):
    """A run of another program than the one that is installed."""

    code = "foreign-bundle"


def refuse_foreign_bundle(hashes: Collection[str], accepted: Collection[str], who: str = "this node") -> None:
    """Let pass only a bundle of which every hash, claimed or computed, is accepted.

    Raises:
        ForeignBundle: naming the first other hash.
    """
    if foreign := sorted(set(hashes) - set(accepted)):
        raise ForeignBundle(
            f"{who} runs only what its owner installed, and refuses bundle {foreign[0][:12]}…; it accepts "
            f"{', '.join(f'{one[:12]}…' for one in sorted(accepted))}; upgrade the older side: {UPGRADE}"
        )


def archive(contents: Mapping[str, bytes]) -> bytes:
    """A Flower app bundle of these files: a zip archive with a table of contents, as `flwr build` makes them.

    Flower's own builder compresses nothing either, but stamps the operating system and rewrites the manifest by
    whatever TOML library is there; this one gives the same bytes everywhere.
    """
    names = [_MANIFEST, *sorted(contents.keys() - {_MANIFEST})]
    table = "\n".join(f"{name},{sha256(contents[name])},{8 * len(contents[name])}" for name in names)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle:
        for name, data in [*((name, contents[name]) for name in names), (_CONTENT, table.encode())]:
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            bundle.writestr(entry, data)
    return buffer.getvalue()


WORK = "query.work"
"""The message type of an order; its answer is the worker's reply."""
INTRODUCE = "query.introduce"
"""The message type that asks which of our nodes a Flower node is."""

_RECORD, _ENTRY = "ratatouille", "body"


def pack(body: bytes) -> RecordDict:
    """A message's content that carries these bytes."""
    from flwr.app import ConfigRecord, RecordDict

    return RecordDict({_RECORD: ConfigRecord({_ENTRY: body})})


def unpack(content: RecordDict) -> bytes:
    """The bytes that a message's content carries.

    Raises:
        Refusal: when another program made the message.
    """
    record = content.config_records.get(_RECORD)
    body = record.get(_ENTRY) if record is not None else None
    if not isinstance(body, bytes):
        raise Refusal(f"a Flower message does not carry what this version expects; upgrade the older side: {UPGRADE}")
    return body


class SigningInterceptor:
    """Signs each request, and each repetition of one anew. Put it last: what it signs must be what is sent."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """Sign and pass on."""
        request = context.request
        request.headers[HEADER] = self._secret.sign(request.method, request.url.path, request.content)
        return call_next(context)
