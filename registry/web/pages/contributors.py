"""The page of contributors: what each of them gave, and whose work the released versions are made of."""

from __future__ import annotations

from itertools import islice

from ratatouille.record import Digest, Record
from registry.lists import every
from registry.records import Contributor, Event, Membership
from registry.services.registry import Registry
from registry.web.page import Page, Query
from registry.web.summaries import ContributorShare, shares, summary

PAGE = 100
DEPTH = 8
MOST_ALIASES = 8
MOST_MEMBERS = MOST_CHANGES = 200


class Released(Record):
    """An alias, and whose work it points at."""

    alias: str
    version: Digest
    parts: tuple[ContributorShare, ...]


class ContributorsPage(Record):
    """The content of the page."""

    contributors: tuple[Contributor, ...]
    in_all: int
    page: int
    pages: int
    released: tuple[Released, ...]
    members: tuple[Membership, ...] = ()
    """By name, those without contributions too; on the first page."""
    more_members: bool = False
    changes: tuple[Event, ...] = ()
    """What was changed about members, the latest first; on the first page."""


def page(registry: Registry, query: Query) -> Page:
    """All contributors."""
    found = registry.versions.contributors()
    pages = max(1, -(-len(found) // PAGE))
    number = query.number("page", 1, 1, pages)
    members = islice(every(lambda last: registry.members.members(last.name if last else "")), MOST_MEMBERS + 1)
    shown = [one.membership for one in members] if number == 1 else []
    view = ContributorsPage(
        contributors=tuple(found[PAGE * (number - 1) : PAGE * number]),
        in_all=len(found),
        page=number,
        pages=pages,
        released=tuple(_released(registry)) if number == 1 else (),
        members=tuple(shown[:MOST_MEMBERS]),
        more_members=len(shown) > MOST_MEMBERS,
        changes=tuple(registry.members.member_changes(limit=MOST_CHANGES)) if number == 1 else (),
    )
    return Page("contributors.html.jinja", view)


def _released(registry: Registry) -> list[Released]:
    found = []
    for alias, id in registry.releases.aliases(limit=MOST_ALIASES).items():
        versions = {row.entry.id: summary(row.entry) for row in registry.versions.lineage(id, DEPTH)}
        if versions[id].rule != "import":
            found.append(
                Released(
                    alias=alias, version=id, parts=shares(registry.versions.contributions(id), versions).contributors
                )
            )
    return found
