"""The page of one key: what it gave, what is released of it, what was not taken and why, and what it offers."""

from __future__ import annotations

import re

from registry.presentation.member import WORK, names_of, why_not, work_lines
from registry.services.registry import Registry
from registry.web.page import NotThere, Page, Query

_KEY = re.compile(r"[0-9a-f]{64}")


def page(registry: Registry, query: Query) -> Page:
    """What `ratatouille me` shows, of the key in the address."""
    key = query.path["key"]
    if not _KEY.fullmatch(key):
        raise NotThere("the address names no key; the page of contributors has them")
    found = registry.work.member([key])
    if not found.done and not found.keys[0].here:
        raise NotThere(f"the key {key[:12]}… gave nothing to this registry")
    drawn = {"lines": work_lines(found.done), "words": WORK, "why_not": why_not, "name": names_of(found)[key]}
    return Page("member.html.jinja", found, drawn)
