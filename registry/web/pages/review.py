"""The page of reviews: versions that averages leave out, or that were let in, with the numbers behind each."""

from __future__ import annotations

from ratatouille.record import Record
from registry.presentation.reviews import evidence_text
from registry.records import ReviewRecord
from registry.services.registry import Registry
from registry.web.page import Page, Query

PAGE = 50
STATES = ("quarantined", "rejected", "admitted", "all")


class ReviewPage(Record):
    """The content of the page."""

    state: str
    """What is listed; `all` for all reviews."""
    reviews: tuple[ReviewRecord, ...]
    """Latest first."""
    continued: bool
    """False: these are the latest."""
    earlier: int | None
    """Number of the review that the next page is `before`."""


def page(registry: Registry, query: Query) -> Page:
    """The reviews that say one thing; those that wait for a maintainer if nothing is said."""
    state = query.choice("state", STATES, STATES[0])
    before = query.number("before", 0, 0, 10**9 - 1) or None
    wanted = next((one for one in ("quarantined", "rejected", "admitted") if one == state), None)
    found = registry.review.reviews(wanted, None, before, PAGE + 1)
    view = ReviewPage(
        state=state,
        reviews=tuple(found[:PAGE]),
        continued=before is not None,
        earlier=found[PAGE - 1].number if len(found) > PAGE else None,
    )
    return Page("review.html.jinja", view, {"states": STATES, "evidence_text": evidence_text})
