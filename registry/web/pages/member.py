"""The page of a member, or of a key of nobody known: what it gave, what came of it, and what it offers."""

from __future__ import annotations

import re

from registry.presentation.member import WORK, names_of, why_not, work_lines
from registry.services.registry import Registry
from registry.web.page import NotThere, Page, Query

_KEY = re.compile(r"[0-9a-f]{64}")


def page(registry: Registry, query: Query) -> Page:
    """What `ratatouille me` shows, of the key in the address and the other keys of its member."""
    key = query.path["key"]
    if not _KEY.fullmatch(key):
        raise NotThere("the address names no key; the page of contributors has them")
    found = registry.work.member([key])
    if not found.done and not found.members and not any(one.here for one in found.keys):
        raise NotThere(f"the key {key[:12]}… gave nothing to this registry")
    name = found.members[0].name if found.members else names_of(found)[key]
    kinds = {one.key: one for one in registry.members.find_member(key).keys} if found.members else {}
    drawn = {"kinds": kinds, "lines": work_lines(found.done), "words": WORK, "why_not": why_not, "name": name}
    return Page("member.html.jinja", found, drawn)
