"""A member's part in a registry in words: the same in the terminal and on the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ratatouille.record import Name, Record
from registry.records import NOT_TAKEN, ContributionTotal, Member, Submission

WORK = {
    "import": "import",
    "probe": "head",
    "fine_tune": "training",
    "evaluate": "evaluation",
    "compare": "comparison",
}
"""What a contribution of each kind gives."""


class WorkLine(Record):
    """All contributions of one kind for one task."""

    what: str
    task: Name | None
    taken: int
    not_taken: int
    seconds: float
    """Spent on what was taken."""
    last: float


def work_lines(done: Iterable[ContributionTotal]) -> list[WorkLine]:
    """A line for each kind and task, the latest first."""
    groups: dict[tuple[str, str | None], list[ContributionTotal]] = defaultdict(list)
    for one in done:
        groups[one.kind, one.task_name].append(one)
    lines = [
        WorkLine(
            what=WORK.get(kind, kind),
            task=task,
            taken=sum(one.count for one in ones if one.state == "admitted"),
            not_taken=sum(one.count for one in ones if one.state != "admitted"),
            seconds=sum(one.seconds for one in ones if one.state == "admitted"),
            last=max(one.last for one in ones),
        )
        for (kind, task), ones in groups.items()
    ]
    return sorted(lines, key=lambda line: (-line.last, line.what, line.task or ""))


def why_not(one: Submission) -> str:
    """Why a contribution is in no version, or its version in no average."""
    if one.state == "duplicate":
        return "another answer to the same question came first"
    if one.state == "retracted":
        return f"taken back: {one.reason}" if one.reason else "taken back"
    if one.review in NOT_TAKEN:
        return f"{one.review}: {one.reason}"
    return one.reason or one.state


def names_of(member: Member) -> dict[str, str]:
    """What each key is called: its name, or its beginning where it has none."""
    return {one.node: one.name or one.node[:10] for one in member.keys}
