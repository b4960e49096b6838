"""A whole audit as its caller runs it: page after page, over any registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from registry.records import AuditPage, Finding, Stage, Verdict, worst
from registry.services.registry import Registry

Said = Callable[[Stage, int, int], None]
"""Called with a stage, how many things of it were looked at, and how many there are."""


@dataclass
class Audit:
    """What a whole audit found."""

    findings: list[Finding] = field(default_factory=list)
    looked: dict[Stage, int] = field(default_factory=dict)
    """How many things of each stage."""
    bytes: int = 0

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings; files that no version has are harmless."""
        return worst(one.kind for one in self.findings if one.kind != "unreferenced")

    @property
    def ok(self) -> bool:
        """Whether everything could be checked, and nothing is wrong."""
        return self.verdict == "ok"

    def of(self, kind: str) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]


def audit(registry: Registry, said: Said = lambda stage, done, total: None) -> Audit:
    """Look at everything; raises as `Registry.audit` does."""
    whole = Audit()
    for page in pages(registry):
        whole.findings += page.findings
        whole.bytes += page.bytes
        whole.looked[page.stage] = whole.looked.get(page.stage, 0) + page.looked
        said(page.stage, whole.looked[page.stage], page.total)
    return whole


def pages(registry: Registry) -> Iterator[AuditPage]:
    """All pages; each is asked for when the one before was read."""
    place = None
    while True:
        page = registry.maintenance.audit(place)
        yield page
        place = page.following
        if place is None:
            return
