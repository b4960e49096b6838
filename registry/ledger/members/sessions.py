"""Sessions of one registry: opened by a signed challenge, kept as the SHA-256 of their tokens, and looked up.

A session belongs to a key. The key's role is looked up at each call, and the answer is used for one second. So a
revocation, or another role, has effect within a second. The owner's key is the one that this process made when it
started (`registry.owner_key`).
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import cast

from sqlalchemy import Connection, delete, insert, select

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import MemberRole
from ratatouille.exchange.session import Challenge, Session, SessionRequest, clock_problem
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.record import sha256
from registry.caller import Caller, Unauthenticated
from registry.challenges import Challenges
from registry.database import Database
from registry.ledger.members.standing import refuse_revoked, standing_of
from registry.schema import SessionRow
from registry.settings import read_settings

SESSION_SECONDS = 3600.0
REMEMBERED_SECONDS = 1.0
"""How long an answer about a session or a key is used again."""
MOST_REMEMBERED = 10_000
SESSIONS_OF_A_KEY = 256
"""Open ones; a further one ends the oldest."""


class Sessions:
    """The sessions of one registry, as one process sees them."""

    def __init__(self, database: Database, owner: str | None = None) -> None:
        """`owner` is the key whose sessions are the owner's; None: there is no such key."""
        self._database = database
        self._owner = owner
        self._challenges = Challenges()
        self._remembered: dict[str, tuple[float, Caller | None]] = {}
        self._lock = threading.Lock()

    def challenge(self) -> Challenge:
        """A challenge, which a key signs to open a session."""
        return Challenge(
            registry=self._id(),
            nonce=self._challenges.make(),
            now=time.time(),
            software=f"ratatouille {version('model-ratatouille')}",
        )

    def open(self, sealed: Sealed) -> Session:
        """Open a session for the key that signed.

        Raises:
            Unauthenticated: for one that is not the owner's, and no member's device.
            Refusal: for another registry, a clock that is wrong, a challenge that is used or too old, and a key that
                was revoked or waits.
        """
        request = unseal(sealed, SessionRequest)
        now, token = time.time(), secrets.token_urlsafe(32)
        if request.registry != (own := self._id()):
            raise Refusal(f"this was signed for registry {request.registry[:8]}…, and this is {own[:8]}…")
        if problem := clock_problem(request.issued, now):
            raise Refusal(problem)
        with self._database.read() as connection:
            if sealed.node != self._owner:
                refuse_revoked(connection, sealed.node)
            caller = self._standing(connection, sealed.node)
        if caller is None:
            raise Unauthenticated(
                f"key {sealed.node[:12]}… belongs to no member of this registry; join with an invitation from a "
                "maintainer: `ratatouille node join --invite -`"
            )
        self._challenges.use(request.nonce)
        with self._database.write() as connection:
            _enter(connection, sha256(token.encode()), sealed.node, now)
        return Session(
            token=token, role=cast(MemberRole, caller.role), member=caller.member, expires=now + SESSION_SECONDS
        )

    def exchange(self, token: str) -> Session | None:
        """A session in place of one, of the same key and until the same time: the old token works never again.

        Returns:
            None for what is no open session's token, or of a key that does not count any more.
        """
        digest, fresh = sha256(token.encode()), secrets.token_urlsafe(32)
        with self._database.write() as connection:
            gone = delete(SessionRow).where(SessionRow.token == digest).returning(SessionRow.key, SessionRow.expires)
            row = connection.execute(gone).first()
            caller = None if row is None or row.expires <= time.time() else self._standing(connection, row.key)
            if row is None or caller is None:
                return None
            connection.execute(
                insert(SessionRow).values(token=sha256(fresh.encode()), key=row.key, expires=row.expires)
            )
        return Session(token=fresh, role=cast(MemberRole, caller.role), member=caller.member, expires=row.expires)

    def end(self, token: str) -> None:
        """End a session."""
        digest = sha256(token.encode())
        with self._database.write() as connection:
            connection.execute(delete(SessionRow).where(SessionRow.token == digest))
        with self._lock:
            self._remembered.pop(f"token {digest}", None)

    def caller(self, token: str) -> Caller | None:
        """The caller with this token; None where the session is over, or its key is not active any more."""
        digest = sha256(token.encode())
        return self._remember(f"token {digest}", lambda connection: self._of_token(connection, digest))

    def holder(self, key: str) -> Caller | None:
        """The caller with this device key; None for a key that is no active one of this registry."""
        return self._remember(f"key {key}", lambda connection: self._standing(connection, key))

    def belongs(self, key: str, member: str) -> bool:
        """Whether a key, of a device or a node, is active and belongs to a member."""

        def standing(connection: Connection) -> Caller | None:
            found = standing_of(connection, key)
            return None if found is None or not found.live else Caller(found.role, key, found.member)

        found = self._remember(f"signer {key}", standing)
        return found is not None and found.member == member

    def stranger(self) -> Caller:
        """A caller without a session."""

        def role(connection: Connection) -> Caller:
            return Caller("reader" if read_settings(connection).reading == "public" else "anyone")

        return self._remember("stranger", role) or Caller("anyone")

    def _remember(self, name: str, look: Callable[[Connection], Caller | None]) -> Caller | None:
        """An answer that is at most a second old."""
        now = time.monotonic()
        known = self._remembered.get(name)
        if known is not None and now < known[0]:
            return known[1]
        with self._database.read() as connection:
            found = look(connection)
        with self._lock:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[name] = (now + REMEMBERED_SECONDS, found)
        return found

    def _of_token(self, connection: Connection, digest: str) -> Caller | None:
        row = connection.execute(
            select(SessionRow.key).where(SessionRow.token == digest, SessionRow.expires > time.time())
        ).first()
        return None if row is None else self._standing(connection, row.key)

    def _standing(self, connection: Connection, key: str) -> Caller | None:
        if key == self._owner:
            return Caller("owner", key)
        found = standing_of(connection, key)
        if found is None or not found.live or found.kind != "device":
            return None
        return Caller(found.role, key, found.member, f"member {found.name}")

    def _id(self) -> str:
        with self._database.read() as connection:
            found = read_settings(connection).registry
        if found is None:
            raise Refusal("this registry has no id; open its folder once as a user who may write to it")
        return found


def _enter(connection: Connection, digest: str, key: str, now: float) -> None:
    """Enter a session. Sessions that are over are removed, and the oldest of a key that has too many."""
    connection.execute(delete(SessionRow).where(SessionRow.expires < now))
    mine = select(SessionRow.token).where(SessionRow.key == key).order_by(SessionRow.expires.desc())
    too_many = connection.execute(mine.offset(SESSIONS_OF_A_KEY - 1)).scalars().all()
    connection.execute(delete(SessionRow).where(SessionRow.token.in_(too_many)))
    connection.execute(insert(SessionRow).values(token=digest, key=key, expires=now + SESSION_SECONDS))
