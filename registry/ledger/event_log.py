"""The append-only log of events, and the rounds that they are about.

Failures of nodes are shown as sentences that are made from their codes. Version 0.1 stored the words of nodes, with
paths of their owners' files. Those rows stay as they are, since the log is never rewritten. They are redacted when they
are read: no command, page or client sees what a node's owner did not mean to publish.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from ratatouille.errors import Refusal
from ratatouille.exchange.order import Failed
from ratatouille.failure import KINDS
from ratatouille.record import sha256
from registry.leaves import append_leaf
from registry.lists import clipped, fitting
from registry.records import Event, RoundRecord, RoundState
from registry.schema import EventRow, RoundRow, VersionRow
from registry.texts import LARGEST_SPEC, LONGEST_NAME, LONGEST_REASON, legible, storable

LONGEST_TEXT = 4000
MOST_EVENTS = 10_000
USED = "used"
"""Kind of the event that names a version of another round, or of none, on which a round builds."""

RESULT = "recipe"
"""Kind of the event that names the version in which a recipe of a round ended; its text is the recipe."""


_NEW_EVENT = insert(EventRow)


def record_event(
    connection: Connection,
    kind: str,
    subject: str,
    text: str,
    round: str | None = None,
    about: str | None = None,
) -> None:
    """Append a line, and its leaf to the Merkle tree over the log.

    Args:
        connection: a transaction that holds the write lock.
        kind: what happened.
        subject: the id, digest or name of what it happened to.
        text: a sentence about it.
        round: the round that it belongs to.
        about: the digest of the signed record that says so: a change or a receipt; of a round, that of its settings.
    """
    row = {
        "at": time.time(),
        "kind": legible(kind[:80]),
        "round": round,
        "subject": legible(subject[:200]),
        "text": legible(text[:LONGEST_TEXT]),
    }
    key = connection.execute(_NEW_EVENT, row).inserted_primary_key
    assert key is not None, "one row was written"
    append_leaf(connection, {**row, "number": key[0]}, about)


def note(connection: Connection, round: str, kind: str, subject: str, text: str) -> None:
    """Append a line about a round; a version that it is about, and that belongs to no round yet, is the round's.

    Raises:
        Refusal: for a round's id that could be none.
    """
    storable(round, "a round's id", LONGEST_NAME)
    record_event(connection, kind, subject, text, round)
    unclaimed = (VersionRow.id == legible(subject), VersionRow.round.is_(None))
    connection.execute(update(VersionRow).where(*unclaimed).values(round=round))


def use(connection: Connection, round: str, versions: Sequence[str]) -> None:
    """Name versions of others that a round builds on, each once."""
    storable(round, "a round's id", LONGEST_NAME)
    for version in dict.fromkeys(versions):
        row = connection.execute(select(VersionRow.round).where(VersionRow.id == version)).first()
        named = (EventRow.round == round, EventRow.subject == version, EventRow.kind == USED)
        if row is None:
            raise Refusal(f"there is no version {version[:12]}… that round {round[:80]} could build on")
        if row.round != round and connection.execute(select(EventRow.number).where(*named).limit(1)).first() is None:
            record_event(connection, USED, version, "was there before, and the round builds on it", round)


def name_result(connection: Connection, round: str, recipe: str, version: str) -> None:
    """Name the version in which a recipe of a round ended, once.

    Raises:
        Refusal: for a version that is not here, or a name that could be none.
    """
    storable(round, "a round's id", LONGEST_NAME)
    storable(recipe, "a recipe's name", LONGEST_NAME)
    if connection.execute(select(VersionRow.number).where(VersionRow.id == version)).first() is None:
        raise Refusal(f"there is no version {version[:12]}… in which recipe {recipe} of round {round} could have ended")
    named = (EventRow.subject == version, EventRow.round == round, EventRow.kind == RESULT, EventRow.text == recipe)
    if connection.execute(select(EventRow.number).where(*named).limit(1)).first() is None:
        record_event(connection, RESULT, version, recipe, round)


def events(connection: Connection, after: int, round: str | None, limit: int, kinds: Sequence[str] = ()) -> list[Event]:
    """Lines with a number greater than `after`, oldest first; as many as fit a page."""
    query = select(EventRow).where(EventRow.number > after).order_by(EventRow.number)
    if round is not None:
        query = query.where(EventRow.round == round)
    if kinds:
        query = query.where(EventRow.kind.in_(kinds))
    rows = connection.execute(query.limit(clipped(limit, MOST_EVENTS))).mappings()
    return [_event(dict(row)) for row in fitting(rows, lambda row: len(row["text"]))]


def last_event(connection: Connection) -> int:
    """Number of the last line; 0 before there is one."""
    return connection.execute(select(func.max(EventRow.number))).scalar() or 0


def request_round(connection: Connection, round: RoundRecord) -> RoundRecord:
    """Enter a round, or return the one with this id."""
    known = connection.execute(select(RoundRow).where(RoundRow.id == round.id)).mappings().first()
    if known is not None:
        return _record(dict(known))
    storable(round.spec, "the round's settings", LARGEST_SPEC)
    storable(round.reason, "the reason of a round's state", LONGEST_REASON)
    connection.execute(insert(RoundRow).values(**round.model_dump()))
    settings = sha256(round.spec.encode())
    record_event(connection, "round", round.id, f"{round.name} {round.state}", round.id, settings)
    return round


def round_by(connection: Connection, id_or_name: str) -> RoundRecord:
    """A round by id, the latest of that name, or by a unique prefix of its id.

    Raises:
        Refusal: for none, or several.
    """
    exact = select(RoundRow).where(or_(RoundRow.id == id_or_name, RoundRow.name == id_or_name))
    first = exact.order_by((RoundRow.id == id_or_name).desc(), RoundRow.number.desc()).limit(1)
    prefix = select(RoundRow).where(RoundRow.id.startswith(id_or_name, autoescape=True)).limit(2)
    possible = 0 < len(id_or_name) <= LONGEST_NAME  # a very long pattern is an error of SQLite
    queries = (first, prefix) if possible else ()
    rows = next((found for one in queries if (found := connection.execute(one).mappings().all())), ())
    if not rows:
        raise Refusal(f"there is no round {id_or_name[:80]!r}; `ratatouille round list` shows them")
    if len(rows) > 1:
        raise Refusal(f"several rounds begin with {id_or_name[:80]!r}; type more of the id")
    return _record(dict(rows[0]))


def rounds(connection: Connection, states: Sequence[RoundState], before: str | None, limit: int) -> list[RoundRecord]:
    """Rounds, or those in one of these states, latest first; those that were asked for before another one.

    Raises:
        Refusal: when there is no such other round.
    """
    query = select(RoundRow).order_by(RoundRow.number.desc()).limit(clipped(limit))
    if states:
        query = query.where(RoundRow.state.in_(set(states)))
    if before is not None:
        number = connection.execute(select(RoundRow.number).where(RoundRow.id == before)).scalar()
        if number is None:
            raise _unknown(before)
        query = query.where(RoundRow.number < number)
    rows = fitting(connection.execute(query).mappings(), lambda row: min(len(row["spec"]), LARGEST_SPEC))
    return [_record(dict(row)) for row in rows]


def move_round(connection: Connection, id: str, expected: Sequence[RoundState], state: RoundState, reason: str) -> bool:
    """Compare-and-set a round's state.

    Raises:
        Refusal: when there is no such round.
    """
    row = connection.execute(select(RoundRow.name, RoundRow.state).where(RoundRow.id == id)).first()
    if row is None:
        raise _unknown(id)
    if row.state not in expected:
        return False
    connection.execute(
        update(RoundRow)
        .where(RoundRow.id == id)
        .values(state=state, reason=legible(reason[:LONGEST_REASON]), changed=time.time())
    )
    record_event(connection, "round", id, f"{row.name} {state}" + (f": {reason}" if reason else ""), id)
    return True


def _record(row: dict[str, Any]) -> RoundRecord:
    """A round; one whose settings are too long to be read, which release 0.1 took, is shown without them."""
    row.pop("number")
    if (length := len(row["spec"])) > LARGEST_SPEC:
        return RoundRecord.model_validate(row | {"spec": "", "reason": f"its settings have {length} characters"})
    return RoundRecord.model_validate(row | {"reason": redacted_reason(row["reason"][:LONGEST_REASON])})


def _event(row: dict[str, Any]) -> Event:
    """A line as it is shown: failures as sentences, and nothing of what nodes of version 0.1 sent in words."""
    if row["kind"] == "failure":
        return Event.model_validate(row | {"text": failure_line(row["text"])})
    if row["kind"] == "round":
        return Event.model_validate(row | {"text": redacted_reason(row["text"])})
    return Event.model_validate(row)


def _unknown(id: str) -> Refusal:
    return Refusal(f"there is no round with the id {id[:80]!r}")


HIDDEN = "…"
"""What stands in the place of a name that is not shown."""

_OF_A_NODE = re.compile(r"(^|: )node [0-9a-f]{12}( cannot do its work)?: ")
"""How version 0.1 began what a node had said."""
_CODE = re.compile(r"\[([a-z-]+)\]$")
"""How sentences end that are made from a code."""
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)
_PATHS = re.compile(r"\S*[/\\].*[/\\]\S*|\S*[/\\]\S*", re.DOTALL)
_FILE = re.compile(r"\S+\.[A-Za-z]\w{1,4}\b")
_PATH = re.compile(r"(?:^|[\s'\"(=:])(?:~|[A-Za-z]:)?[/\\]\S|[^\W\d]/[^\W\d]|\\\\")
"""What makes a text look as if it named a file."""


def failure_line(text: str) -> str:
    """The line of an event about a failure."""
    try:
        return Failed.from_json(text).sentence
    except Refusal:
        return redacted(text)


def redacted_reason(text: str) -> str:
    """The reason of a round, or a line that tells it.

    It is redacted where a node of version 0.1 said it, or where it seems to name a file.
    """
    if (found := _CODE.search(text)) and found[1] in KINDS:
        return text
    return redacted(text) if _OF_A_NODE.search(text) or _PATH.search(text) else text


def redacted(text: str) -> str:
    """A text without quoted names, paths and names of files: from the first to the last of each kind, as one."""
    for pattern in (_QUOTED, _PATHS, _FILE):
        text = pattern.sub(HIDDEN, text)
    return text
