"""Records: the immutable values that are stored, hashed, signed and sent.

A record is a frozen pydantic model that refuses unknown fields. Its canonical JSON (sorted keys, no spaces, no NaN) is
one sequence of bytes for one value, so its SHA-256 can stand for it. Tasks, architectures, assignments and receipts are
records; what they mean is written where they are defined.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from ratatouille.errors import Refusal

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in lower-case hexadecimal."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
"""A name that people type: letters, digits, dot, dash and underscore; never usable to leave a folder."""


def canonical_json(value: Any) -> bytes:
    """The one JSON text of a plain value: keys sorted, no spaces, UTF-8, NaN and infinities refused (ValueError).

    Raises:
        Refusal: for half a character (a lone surrogate), as a terminal gives for bytes that are not UTF-8.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        near = text[max(0, error.start - 20) : error.start]
        raise Refusal(f"the text after {near!r} is not UTF-8; write it again") from error


def sha256(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


_DIGEST = "_digest"
"""Where a record remembers its digest: a name that is no field, so nothing compares, shows or stores it."""


class Record(BaseModel):
    """Base of every record: frozen, strict about unknown fields, with canonical bytes and a digest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_json(self) -> bytes:
        """Canonical JSON of this record."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON; made once, since a receipt with all its counts is long."""
        known: str | None = self.__dict__.get(_DIGEST)
        if known is None:
            known = self.__dict__[_DIGEST] = sha256(self.to_json())
        return known

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with other values of some fields; its digest is its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop(_DIGEST, None)
        return copied

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Parse bytes from outside.

        Raises:
            Refusal: naming the first field that does not fit.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise Refusal(f"this {cls.__name__.lower()} cannot be read: {first_problem(error)}") from error


LONGEST_PROBLEM = 300
"""Characters of what is wrong with a value."""


def first_problem(error: ValidationError) -> str:
    """The first problem of a validation error as one clause: where, and what is wrong."""
    problem = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part)[:80] for part in problem["loc"]) or "the value"
    message = problem["msg"].removeprefix("Value error, ")[:LONGEST_PROBLEM]  # some repeat what was given
    return f"{where}: {message[0].lower()}{message[1:]}"
