"""Checks of a version, at admission or by `verify`, and their verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import model_serializer, model_validator

from ratatouille.record import Digest, Record

Verdict = Literal["ok", "not checkable", "wrong"]
"""What came of a check. It is `not checkable` where `gc` has collected weights that it needs, or the record is by
software of another release.
"""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of several checks together; `ok` only if each of them is."""
    return max(verdicts, key=get_args(Verdict).index, default="ok")


class WrittenCheck(Record):
    """A check as it is stored, sent and printed since release 0.1: two values say the verdict."""

    what: str
    ok: bool
    """False for what is wrong, and only for that."""
    detail: str = ""
    checkable: bool = True
    """False for what is not checkable."""


class Check(Record):
    """One thing that was looked at, at admission or by `verify`; its JSON is that of `WrittenCheck`."""

    what: str
    verdict: Verdict
    detail: str = ""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "verdict" in value:
            return value
        written = WrittenCheck.model_validate(value)
        verdict = "wrong" if not written.ok else "ok" if written.checkable else "not checkable"
        return {"what": written.what, "verdict": verdict, "detail": written.detail}

    @model_serializer
    def _written(self) -> WrittenCheck:
        return WrittenCheck(
            what=self.what,
            ok=self.verdict != "wrong",
            detail=self.detail,
            checkable=self.verdict != "not checkable",
        )


class Verification(Record):
    """Checks of one version: its blobs' bytes, its id, its receipt's signature, and its recomputed average."""

    id: Digest
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of its checks' verdicts."""
        return worst(check.verdict for check in self.checks)

    @property
    def ok(self) -> bool:
        """Whether everything could be checked, and nothing is wrong."""
        return self.verdict == "ok"
