"""Origins of heads: a node counts only with heads that nodes trained or probed, and with averages of those.

A head that somebody made by hand can be a question about single images, so a node does not count with an imported one,
nor with an average that one is part of. The registry's word on a version is trusted: a node of the federation cannot
slip an imported head into a round; the person who runs the registry could (docs/data.md says what remains).
"""

from __future__ import annotations

from collections import OrderedDict

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import heads_of
from ratatouille.exchange.order import Order
from registry.services.registry import Registry

_REMEMBERED = 10_000
"""Versions whose answer is remembered, so that the registry is asked once about each."""


class Origins:
    """Which heads were made by nodes, as far as a registry knows."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: OrderedDict[str, str | None] = OrderedDict()
        """Version → its head, if a node made it; None for another one."""

    def check(self, order: Order) -> None:
        """See that every head of an order is that of one of its parents, and that a node made it.

        Raises:
            Refusal: for another head.
            Unreachable: when the registry does not answer.
        """
        made = {self._head(version) for version in order.parents}
        if strange := heads_of(order.assignment) - made:
            raise Refusal(
                f"head {sorted(strange)[0][:12]}… was imported, or is of no version of this work; a node counts "
                "with heads that nodes trained or probed",
                code="head-imported",
            )

    def _head(self, version: str) -> str | None:
        if version not in self._made:
            self._made[version] = self._asked(version)
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return self._made[version]

    def _asked(self, version: str) -> str | None:
        """The head of a version, if nodes made it and, of an average, every head in it; None otherwise."""
        open_versions, seen = [version], set()
        head: str | None = None
        while open_versions:
            one = open_versions.pop()
            if one in seen:
                continue
            seen.add(one)
            (row,) = self._registry.versions.lineage(one, depth=0)
            found = row.entry.version
            if one == version:
                head = found.head
            if found.head is None or found.rule.name in ("probe", "fine_tune"):
                continue
            if found.rule.name == "import":
                return None
            open_versions += [parent.version for parent in found.parents]
        return head
