"""VersionShares by contributor, and who stands further back; the shares themselves are the registry's."""

from __future__ import annotations

import pytest

from ratatouille.exchange.version import Rule, Version
from ratatouille.record import sha256
from registry.records import Contribution, Entry
from registry.web.summaries import VersionSummary, shares
from tests.registry.web.drawing.test_graph import version


def by(name: str, node: str, *parents: str) -> VersionSummary:
    return version(name, parents=parents, node=sha256(node.encode()), contributor=node)


def part(name: str, node: str, share: float, exact: str | None = None) -> Contribution:
    made = Version(
        featurizer=sha256(name.encode()),
        head=None,
        architecture=sha256(b"tiny"),
        task=None,
        parents=(),
        rule=Rule(name="fine_tune", revision=1),
        receipt=None,
    )
    entry = Entry(
        id=sha256(name.encode()),
        version=made,
        state="admitted",
        created=1.0,
        message="",
        round=None,
        work_id=sha256(b"question"),
        task_name=None,
        contributor=node,
        node=sha256(node.encode()),
    )
    return Contribution(entry=entry, share=share, exact=exact)


def known(*versions: VersionSummary) -> dict[str, VersionSummary]:
    return {one.id: one for one in versions}


def test_the_shares_of_one_key_are_added_up_and_the_largest_comes_first() -> None:
    parts = [part("a", "carlo", 0.5), part("b", "anna", 0.375), part("c", "anna", 0.25), part("d", "bruno", -0.125)]
    result = shares(parts, {})
    assert [(one.name, one.share, one.versions) for one in result.contributors] == [
        ("anna", 0.625, 2),
        ("carlo", 0.5, 1),
        ("bruno", -0.125, 1),
    ]
    assert [one.share for one in result.members] == [0.5, 0.375, 0.25, -0.125]


def test_a_member_keeps_the_fraction_that_the_registry_says() -> None:
    result = shares([part("a", "anna", 1 / 3, "1/3"), part("b", "anna", 2 / 3)], {})
    assert [one.exact for one in result.members] == ["1/3", None]
    assert [one.share for one in result.contributors] == [pytest.approx(1.0)]


def test_who_made_the_starts_of_trainings_stands_further_back() -> None:
    start, run = by("start", "anna"), by("run", "carlo", "start")
    average = version("m", "combine", ("run",), contributor=None, node=None)
    result = shares([part("run", "carlo", 1.0)], known(start, run, average))
    assert [(one.name, one.share) for one in result.contributors] == [("carlo", 1.0)]
    assert [(one.name, one.share, one.versions) for one in result.further_back] == [("anna", None, 1)]


def test_who_is_a_contributor_does_not_stand_further_back_too() -> None:
    start, run = by("start", "carlo"), by("run", "carlo", "start")
    assert shares([part("run", "carlo", 1.0)], known(start, run)).further_back == ()
