"""Checks for people: what was looked at, how it is, why, and what to do. A list of them is a table and a document.

A check that depends on another one is `unknown` while that one is not good, and says so.
"""

from __future__ import annotations

from typing import Literal

from ratatouille.errors import RatatouilleError
from ratatouille.record import Record

State = Literal["good", "warning", "bad", "unknown"]


class StepCheck(Record):
    """One thing that was looked at, and how it is."""

    step: str
    """What was looked at, in a word or two."""
    state: State
    """`warning`: it works, and something about it is to be known; `unknown`: it could not be looked at."""
    cause: str
    """What was found; where it is not good, what is wrong."""
    advice: str = ""
    """The next step; empty where there is nothing to do."""

    @property
    def good(self) -> bool:
        """Whether all is well."""
        return self.state == "good"

    @property
    def sentence(self) -> str:
        """Cause and next step, for people."""
        return f"{self.cause}; {self.advice}" if self.advice else self.cause


def good(step: str, cause: str) -> StepCheck:
    """A check that found nothing wrong."""
    return StepCheck(step=step, state="good", cause=cause)


def bad(step: str, cause: str, advice: str) -> StepCheck:
    """A check that found something wrong."""
    return StepCheck(step=step, state="bad", cause=cause, advice=advice)


def refused(step: str, error: RatatouilleError) -> StepCheck:
    """A check that ended in an error, whose sentence ends with the next step."""
    cause, _, advice = str(error).rpartition("; ")
    return StepCheck(step=step, state="bad", cause=cause or advice, advice=advice if cause else "")


def unknown(step: str, cause: str, advice: str = "") -> StepCheck:
    """A check that could not be made."""
    return StepCheck(step=step, state="unknown", cause=cause, advice=advice)
