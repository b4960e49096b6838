"""A version in a few words: what lists, graphs and trees say of it."""

from __future__ import annotations

from ratatouille.exchange.version import Parent
from ratatouille.record import Digest, Record
from registry.records import Entry

KINDS = {
    "import": "import",
    "probe": "head",
    "fine_tune": "training",
    "combine": "average",
}
"""What a rule makes, in the words of the page."""


class Brief(Record):
    """One version among others."""

    id: Digest
    rule: str
    purpose: str | None
    parts: str
    """`both`, or `featurizer` for weights without a head."""
    state: str
    task: str | None
    contributor: str | None
    """What the node calls itself; None for what the registry made."""
    node: str | None
    round: str | None
    created: float
    message: str
    names: tuple[str, ...]
    """Aliases that point here, and tags."""
    not_evaluated: bool = False
    """Whether a retraction moved an alias here, and nobody has counted the version since."""
    parents: tuple[Parent, ...]

    @property
    def made(self) -> str:
        """What it is: `average of 4 (uniform)`, `training` …"""
        if self.rule != "combine":
            return KINDS.get(self.rule, self.rule)
        count = len(self.parents)
        purpose = f" ({self.purpose.replace('_', ' ')})" if self.purpose else ""
        return f"average of {count}{purpose}"

    @property
    def by(self) -> str:
        """Who made it."""
        return self.contributor or (self.node[:10] if self.node else "registry")


def brief(entry: Entry) -> Brief:
    """An entry of the history in brief."""
    version = entry.version
    return Brief(
        id=entry.id,
        rule=version.rule.name,
        purpose=version.rule.purpose,
        parts="featurizer" if version.head is None else "both",
        state=entry.state,
        task=entry.task_name,
        contributor=entry.contributor,
        node=entry.node,
        round=entry.round,
        created=entry.created,
        message=entry.message,
        names=entry.aliases,
        not_evaluated=entry.not_evaluated,
        parents=version.parents,
    )
