"""The last head of each log that this home has seen, and the comparison with the present one.

What is seen first is trusted, unless an invitation named the key of the log. From then on a registry must prove that
its log still begins with everything that it had. Another home knows nothing of that: members compare what they see by
signing heads (`ratatouille registry head --sign`).
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ratatouille.addresses import Address
from ratatouille.errors import Damaged, Misconfigured, Refusal
from ratatouille.exchange.log_head import LogHead, Rollback, entry_data
from ratatouille.exchange.merkle import is_consistent, is_included, leaf_hash
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.federations import federation_of
from ratatouille.folders import write_whole
from ratatouille.home import home
from ratatouille.record import Record
from registry.records import Check, HeadProof
from registry.services.registry import Registry

FOLDER = "log-heads"
MOST_KEPT = 100
"""Logs whose heads are kept; those that were not seen for the longest time are forgotten."""


LARGEST_FILE = 2**16


class KeptHead(Record):
    """What this home keeps of one log."""

    head: Sealed
    """The last one that fitted all before, as the registry signed it: it shows later what the registry said."""
    since: float
    """When this home saw the first head of this log, or accepted one."""
    seen: float
    replaced: Sealed | None = None
    """The head that this home kept before it accepted one that does not fit."""

    @property
    def signed(self) -> LogHead:
        """The head, whose signature was checked when it was kept."""
        return LogHead.from_json(self.head.body)


@dataclass(frozen=True)
class LogCheck:
    """The present head, beside the one that was kept."""

    head: LogHead | None
    """None where the registry gives none: its software is of an earlier release."""
    sealed: Sealed | None = None
    kept: KeptHead | None = None
    """What was kept before; None for a log that is seen for the first time."""
    problem: str = ""
    """What is wrong, and what to do, as one sentence; empty where the present head follows the kept one."""


def check_log(registry: Registry, address: str) -> LogCheck:
    """Compare the present head with the kept one, and keep it, if it follows.

    Args:
        registry: the registry.
        address: where it is: an address, or a folder.

    Raises:
        Unreachable: when the registry does not answer.
    """
    try:
        found = registry.transparency.head()
        head = unseal(found.head, LogHead)
    except (Refusal, Misconfigured) as error:
        return _without_head(registry, address, str(error))
    kept = _read(_file(address, head.registry))
    if kept is not None and kept.signed.size not in (0, head.size):
        try:
            found = registry.transparency.head(kept.signed.size)
            head = unseal(found.head, LogHead)
        except (Refusal, Misconfigured) as error:
            return LogCheck(None, kept=kept, problem=_problem(address, kept.signed, str(error)))
    what = _difference(address, kept, head, found)
    if what:
        problem = _problem(address, None if kept is None else kept.signed, what, _statement(found))
        return LogCheck(head, found.head, kept, problem)
    if kept is None or kept.signed.root != head.root:
        since = time.time() if kept is None else kept.since
        _keep(address, KeptHead(head=found.head, since=since, seen=time.time()))
    return LogCheck(head, found.head, kept)


def accept_log(registry: Registry, address: str) -> LogCheck:
    """Keep the present head, whatever was kept before; returns both.

    Raises:
        Refusal: when the registry gives none.
        Unreachable: when the registry does not answer.
    """
    sealed = registry.transparency.head().head
    head = unseal(sealed, LogHead)
    kept = _read(_file(address, head.registry))
    replaced = None if kept is None or kept.signed.root == head.root else kept.head
    _keep(address, KeptHead(head=sealed, since=time.time(), seen=time.time(), replaced=replaced))
    return LogCheck(head, sealed, kept)


def check_included(registry: Registry, check: LogCheck, version: str) -> Check:
    """Check that the log has a version, below the head that was compared with the kept one."""
    if check.head is None:
        return Check(what="history", verdict="not checkable", detail="the registry signs no heads of its log")
    if check.problem:
        return Check(what="history", verdict="wrong", detail=check.problem)
    try:
        found = registry.transparency.inclusion(version, check.head.size)
    except Refusal as refusal:
        return Check(what="history", verdict="wrong", detail=str(refusal))
    own = leaf_hash(entry_data(found.event.model_dump(), found.about))
    proof = [bytes.fromhex(one) for one in found.proof]
    named = found.event.kind == "version" and found.event.subject == version
    if not named or not is_included(own, found.position, check.head.size, bytes.fromhex(check.head.root), proof):
        return Check(what="history", verdict="wrong", detail="the registry does not prove that its log has the version")
    detail = f"entry {found.position} of {check.head.size}"
    return Check(what="history", verdict="ok", detail=detail)


def is_beginning(registry: Registry, head: LogHead) -> bool:
    """Whether the present log begins with the entries of a head.

    Raises:
        Refusal: when the registry gives no head.
        Unreachable: when the registry does not answer.
    """
    found = registry.transparency.head(head.size or None)
    now = unseal(found.head, LogHead)
    return head.registry == now.registry and _follows(head, now, found)


def _without_head(registry: Registry, address: str, why: str) -> LogCheck:
    """What a registry that gives no head means: nothing for one that never gave one."""
    try:
        id = registry.info().registry
    except Refusal:
        id = None
    kept = None if id is None else _read(_file(address, id))
    return LogCheck(None, kept=kept, problem="" if kept is None else _problem(address, kept.signed, why))


def _difference(address: str, kept: KeptHead | None, now: LogHead, found: HeadProof) -> str:
    """Why a head does not follow the kept one; empty where it does."""
    if kept is None:
        return _of_another_key(address, found.head.node)
    before = kept.signed
    if before.registry != now.registry:
        return f"another registry answers, {now.registry[:8]}… instead of {before.registry[:8]}…"
    if kept.head.node != found.head.node:
        return f"its heads were signed by key {kept.head.node[:12]}…, and this one is by {found.head.node[:12]}…"
    if now.size < before.size:
        return f"it was rolled back from {before.size} entries to {now.size}"
    if not _follows(before, now, found):
        return f"it was rewritten before entry {before.size}: the registry cannot prove that its log begins as it did"
    return ""


def _of_another_key(address: str, key: str) -> str:
    """What is wrong with the first head that is seen: its key, where an invitation named another."""
    federation = federation_of(address) if "://" in address and not address.startswith("file:") else None
    if federation is None or federation.log in (None, key):
        return ""
    return f"its heads are signed by key {key[:12]}…, and the invitation named {str(federation.log)[:12]}…"


def _follows(before: LogHead, now: LogHead, found: HeadProof) -> bool:
    roots, proof = (bytes.fromhex(one.root) for one in (before, now)), [bytes.fromhex(one) for one in found.proof]
    old, new = roots
    return is_consistent(before.size, old, now.size, new, proof)


def _problem(address: str, before: LogHead | None, what: str, statement: str = "") -> str:
    seen = "" if before is None else f" is not the one that you saw on {_when(before.at)}"
    return (
        f"the history of {address}{seen}: {what}{statement}. Ask its maintainers why. If you know, "
        "`ratatouille registry accept-head` accepts it"
    )


def _statement(found: HeadProof) -> str:
    """What the owner says of it, if the log has such a statement."""
    if found.rollback is None:
        return ""
    try:
        said = unseal(found.rollback, Rollback)
    except Refusal:
        return ""
    return f" (on {_when(said.at)} its owner stated that it was set back: {said.message})"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _file(address: str, registry: str) -> Path:
    """Where a head is kept: by address, so that no registry gets away with a new id; on this machine by the registry's
    id, since ports and folders are used again.
    """
    name = registry
    if "://" in address and not address.startswith("file:"):
        parsed = Address.parse(address)
        if parsed.encrypted or not parsed.is_loopback:
            name = re.sub(r"[^A-Za-z0-9.-]", "_", parsed.host_and_port)
    return home() / FOLDER / f"{name}.json"


def _read(path: Path) -> KeptHead | None:
    try:
        with path.open("rb") as file:
            return KeptHead.from_json(file.read(LARGEST_FILE))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, Refusal) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Damaged(
            f"'{path}' cannot be read ({why}); remove it, and `ratatouille registry head` begins anew"
        ) from error


def _keep(address: str, kept: KeptHead) -> None:
    """Write it whole, and forget the oldest of too many; a home that cannot be written keeps none."""
    path = _file(address, kept.signed.registry)
    with suppress(Refusal):
        write_whole(path, [kept.to_json()], private=True)
    with suppress(OSError):
        files = sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in files[:-MOST_KEPT]:
            old.unlink()
