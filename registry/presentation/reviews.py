"""Reviews of versions in words: a sentence, and the numbers behind it in one line."""

from __future__ import annotations

from ratatouille.cli.output import short, when
from registry.records import ReviewChange


def review_sentence(review: ReviewChange) -> str:
    """What a review says, who says it, and why."""
    who = f"the gate{f' of round {review.round}' if review.round else ''}"
    if review.by == "maintainer":
        who = f"{review.author or 'a maintainer'} ({short(review.node)})"
    return f"{review.state} by {who} on {when(review.at)[:-3]} (UTC): {review.reason}"


def evidence_text(review: ReviewChange) -> str:
    """The numbers of a review in one line."""
    shown = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in review.evidence.values())
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in zip(review.evidence, shown, strict=True))
