"""Transparency: heads of the log, which readers keep to find out when history was changed, and who witnessed them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ratatouille.errors import Misconfigured, Refusal
from ratatouille.exchange.log_head import LogHead, Rollback, Witness
from ratatouille.exchange.signing import Sealed, Signer, unseal
from ratatouille.record import Digest
from registry.lists import MOST_ROWS
from registry.records import HeadProof, Inclusion, WitnessRecord
from registry.services.method import ImportedOnUse, Service, method

if TYPE_CHECKING:
    from registry import settings as registry_settings
    from registry.ledger import log_heads
    from registry.storage import Storage
else:
    log_heads = ImportedOnUse("registry.ledger.log_heads")
    registry_settings = ImportedOnUse("registry.settings")

SIGNED_SECONDS = 1.0
"""A head that has not changed is signed anew after this time."""


class Transparency(Service):
    """The log's heads. Each entry is a leaf of a Merkle tree as in RFC 9162, so that proofs stay short."""

    def __init__(self, storage: Storage, key: Path) -> None:
        """`key` is the file of the log's key."""
        super().__init__(storage)
        self._file = key
        self._signer: Signer | None = None
        self._last: tuple[LogHead, Sealed] | None = None
        self._lock = threading.Lock()

    @method("reader")
    def head(self, since: int | None = None) -> HeadProof:
        """The present head, signed by the log's key. With `since`, a proof comes with it that the log still begins with
        the entries of its head of that size, where it has more than these.
        """
        with self._read() as connection:
            found = log_heads.state(connection, since)
            registry = registry_settings.read_settings(connection).registry
        if registry is None:
            raise Refusal("this registry has no id yet; its owner's software makes one when it opens it")
        return HeadProof(
            head=self._signed(registry, found.size, found.root), proof=found.proof, rollback=found.rollback
        )

    @method("reader")
    def inclusion(self, version: Digest, size: int) -> Inclusion:
        """The entry of a version (its whole id), with a proof that the log's first `size` entries have it."""
        return self._reading(log_heads.inclusion, version, size)

    @method("contributor")
    def witness(self, sealed: Sealed) -> None:
        """Keep a member's signature of a head that this log has, or had (a sealed `Witness`)."""
        self._writing(log_heads.witness, sealed, unseal(sealed, Witness))

    @method("reader")
    def witnesses(self, before: int | None = None, limit: int = MOST_ROWS) -> list[WitnessRecord]:
        """Heads that members signed, the latest first; the next page is before the last one's number."""
        return self._reading(log_heads.witnesses, before, limit)

    @method("owner")
    def state_rollback(self, sealed: Sealed) -> None:
        """Keep an owner's statement that the log was set back knowingly (a sealed `Rollback`); readers are shown it."""
        self._writing(log_heads.state_rollback, sealed, unseal(sealed, Rollback))

    def _signed(self, registry: str, size: int, root: str) -> Sealed:
        with self._lock:
            if self._last is not None:
                head, sealed = self._last
                if (head.registry, head.size, head.root) == (registry, size, root) and self._is_fresh(head):
                    return sealed
            head = LogHead(registry=registry, size=size, root=root, at=time.time())
            self._last = (head, self._key().seal(head))
            return self._last[1]

    def _is_fresh(self, head: LogHead) -> bool:
        return 0 <= time.time() - head.at < SIGNED_SECONDS

    def _key(self) -> Signer:
        if self._signer is None:
            try:
                self._signer = Signer.open(self._file)
            except (OSError, Refusal) as error:
                raise Misconfigured(
                    f"heads of this log are signed by its owner: the key '{self._file}' cannot be read or made by you"
                ) from error
        return self._signer
