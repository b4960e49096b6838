"""Signing of changes (release, tag, retract, review, close a question), over any registry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pydantic import TypeAdapter, ValidationError

from ratatouille.errors import Refusal
from ratatouille.exchange.change import (
    LONGEST_MESSAGE,
    LONGEST_REASON,
    Close,
    Move,
    Reopen,
    Restore,
    Retract,
    RetractCounts,
    Review,
    ReviewState,
    Tag,
)
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.record import Name, Record
from registry.lists import every
from registry.records import AliasMove, Entry, Retraction, ReviewRecord, TagRecord
from registry.services.registry import Registry
from registry.texts import storable

_NAME: TypeAdapter[str] = TypeAdapter(Name)


@dataclass(frozen=True)
class Maintainer:
    """A person with a key, whose signed changes everyone sees."""

    registry: Registry
    signer: Signer
    author: str = ""
    """The name in the history."""

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of this person: those of their member, or this one where they are none."""
        found = self.registry.work.member([self.signer.node])
        return frozenset({self.signer.node, *(one.node for one in found.keys)})

    def release(self, revision: str, name: str = "latest", message: str = "") -> AliasMove:
        """Point an alias at a version; pointing it where it points already changes nothing.

        Raises:
            Refusal: for an unknown version, an unusable name, or when another person moved the alias meanwhile.
        """
        version, history = self.registry.versions.resolve(revision), self.registry.releases.alias_history(name, limit=1)
        if history and history[0].version == version:
            return history[0]
        before = history[0].version if history else None
        return self._move(name=name, version=version, before=before, message=message)

    def undo(self, name: str = "latest", message: str = "") -> AliasMove:
        """Take the last move of an alias back; again, the one before it.

        Raises:
            Refusal: when there is nothing to go back to, or another person moved the alias meanwhile.
        """
        last = self.registry.releases.alias_history(name, limit=1)
        undone = undoing(self._moves(name))
        if not last or undone is None:
            raise Refusal(f"there is no move of {name} to take back; `ratatouille release --history` shows them")
        assert undone.before is not None
        why = message or f"undo of {undone.before[:12]} → {undone.version[:12]}"
        return self._move(name=name, version=undone.before, before=last[0].version, message=why, undo=True)

    def tag(self, revision: str, name: str, message: str = "") -> TagRecord:
        """Give a version a name for ever.

        Raises:
            Refusal: for an unknown version, an unusable name, or one that means another version.
        """
        version = self.registry.versions.resolve(revision)
        return self.registry.releases.tag(self._seal(Tag, message, name=_usable(name), version=version))

    def _moves(self, name: str) -> Iterator[AliasMove]:
        return every(lambda last: self.registry.releases.alias_history(name, last.number if last else None))

    def retract(self, revision: str, message: str, dry_run: bool = False) -> Retraction:
        """Take a version back; one that was taken back already stays as it is.

        Args:
            revision: which.
            message: why; it is kept in the history.
            dry_run: only say what would happen.

        Raises:
            Refusal: for an unknown version, or without a reason.
        """
        version = self.registry.versions.resolve(revision)
        if not message.strip():
            raise Refusal("say why with -m: those who built on this version will ask")
        return self.registry.releases.retract(self._seal(Retract, message, version=version), dry_run)

    def withdraw(self, revision: str, message: str, dry_run: bool = False) -> Retraction:
        """Take back what this very key contributed, or another key of the same member.

        Raises:
            Refusal: for a version of somebody else, for an average, and as `retract`.
        """
        entry = self.registry.versions.show(revision).entry
        contributor = contributor_of(entry)
        if contributor not in self.keys:
            raise Refusal(
                f"version {entry.id[:12]}… was contributed by another key, {contributor[:12]}…; "
                "its contributor can withdraw it with that key, and a maintainer can retract it"
            )
        return self.retract(entry.id, message, dry_run)

    def retract_counts(self, receipt: str, message: str) -> None:
        """Take counts back, by the digest of their receipt.

        Raises:
            Refusal: for an unknown receipt, or without a reason.
        """
        if not message.strip():
            raise Refusal("say why with -m: those who built on these counts will ask")
        self.registry.releases.retract_counts(self._seal(RetractCounts, message, receipt=receipt))

    def restore(self, receipt: str, message: str) -> None:
        """Let a receipt that was taken back come again, when it is pushed again.

        Raises:
            Refusal: for a receipt that was not taken back, or without a reason.
        """
        if not message.strip():
            raise Refusal("say why with -m: it was taken back for a reason")
        self.registry.releases.restore(self._seal(Restore, message, receipt=receipt))

    def review(self, revision: str, state: ReviewState, reason: str) -> ReviewRecord:
        """Decide whether a version may enter averages; no verdict of a gate changes that later.

        Raises:
            Refusal: for an unknown version, one that was taken back, or without a reason.
        """
        version = self.registry.versions.resolve(revision)
        if not reason.strip():
            raise Refusal("say why with -m: the contributor will ask")
        if len(reason) > LONGEST_REASON:
            raise Refusal(f"the reason has {len(reason)} characters; {LONGEST_REASON} are the most")
        decision = self._seal(Review, "", version=version, state=state, reason=reason, by="maintainer")
        return self.registry.review.enter(decision)

    def close_question(self, question: str, message: str = "") -> None:
        """Close a question for this very key: it does not answer it (again)."""
        self.registry.work.close_question(self._seal(Close, message, question=question))

    def reopen_question(self, question: str, message: str = "") -> None:
        """Open a question again that this very key has closed."""
        self.registry.work.reopen_question(self._seal(Reopen, message, question=question))

    def _move(self, name: str, version: str, before: str | None, message: str, undo: bool = False) -> AliasMove:
        move = self._seal(Move, message, name=_usable(name), version=version, before=before, undo=undo)
        return self.registry.releases.move_alias(move)

    def _seal(self, kind: Callable[..., Record], message: str, **values: object) -> Sealed:
        """A signed change with a message, as this author's of now."""
        return self.signer.seal(kind(**values, message=_short(message), author=self.author, at=time.time()))


def contributor_of(entry: Entry) -> str:
    """The key that signed a version's receipt.

    Raises:
        Refusal: for an average, which has no signature.
    """
    if entry.node is None:
        raise Refusal(f"version {entry.id[:12]}… is an average, which nobody contributed; withdraw one of its parents")
    return entry.node


def undoing(history: Iterable[AliasMove]) -> AliasMove | None:
    """The move that an undo takes back: the last one that was not taken back yet, if there was something before it.

    Args:
        history: the alias's moves, latest first; no more of them are read than it takes.
    """
    undone = 0
    for move in history:
        if move.undo:
            undone += 1
        elif undone:
            undone -= 1
        else:
            return move if move.before is not None else None
    return None


def _usable(name: str) -> str:
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise Refusal(f"{name[:100]!r} is no name; use letters, digits, dots, dashes and underscores") from error


def _short(message: str) -> str:
    storable(message, "the message")
    if len(message) > LONGEST_MESSAGE:
        raise Refusal(f"the message has {len(message)} characters; {LONGEST_MESSAGE} are the most")
    return message
