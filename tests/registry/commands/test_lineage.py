from __future__ import annotations

import re

from ratatouille.exchange.version import Combination, Parent
from tests.ratatouille.cli.call import call
from tests.registry.world import World


def test_lineage_draws_a_repeated_subtree_once(history: dict[str, str]) -> None:
    lines = call("lineage", "latest").out.splitlines()
    short = {name: id[:10] for name, id in history.items()}
    assert [next(name for name in short if short[name] in line) for line in lines] == [
        "average",
        "first",
        "probe",
        "foundation",
        "second",
        "probe",
    ]
    assert ["shown above" in line for line in lines] == [False] * 5 + [True]
    assert "1/2" in lines[1]
    assert "1/2" in lines[4]
    assert "1/" not in lines[2]


def test_lineage_stops_at_a_depth(history: dict[str, str]) -> None:
    rows = call("lineage", "latest", "--depth", 1, "--json").json
    assert [row["depth"] for row in rows] == [0, 1, 1]


def test_descendants_are_drawn_with_their_shares(history: dict[str, str]) -> None:
    lines = call("lineage", "latest~1", "--descendants").out.splitlines()
    assert [re.findall(r"[0-9a-f]{10}", line)[0] for line in lines] == [
        history["first"][:10],
        history["average"][:10],
    ]
    assert "1/2" in lines[1]
    rows = call("lineage", "foundation", "--descendants", "--json").json
    assert [row["depth"] for row in rows] == [0, 1, 2, 2, 3, 3]


def test_contributions_are_shares_by_version_and_by_contributor(history: dict[str, str], world: World) -> None:
    parents = (Parent(version=history["average"], coefficient=2), Parent(version=history["probe"]))
    outer = world.registry.work.combine(Combination(parents=parents))
    out = call("lineage", str(outer.version), "--contributions").out
    rows = [line.split() for line in out.splitlines() if line.startswith("1/3")]
    assert sorted(row[2] for row in rows) == sorted(history[name][:10] for name in ("first", "second", "probe"))
    assert all(row[1] == "33.3" for row in rows)
    assert out.splitlines()[-1].split() == ["zoo", "1", "100.0", "3"]
    found = call("lineage", str(outer.version), "--contributions", "--json").json
    assert [one["exact"] for one in found["contributions"]] == ["1/3"] * 3
    assert found["contributors"] == [{"contributor": "zoo", "share": 1.0, "versions": 3}]
    call("lineage", "latest", "--contributions", "--dot").refused("--contributions")


def test_the_graph_for_graphviz_has_every_version_and_every_way(history: dict[str, str], world: World) -> None:
    hostile = world.foundation(7, source="x")
    world.maintainer.release(str(hostile.version), "strange")
    dot = call("lineage", "latest", "--dot").out
    assert dot.startswith("digraph lineage {")
    assert dot.count(" -> ") == 5
    assert f'"{history["average"]}" -> "{history["first"]}" [label="1/2"];' in dot
    assert f'"{history["first"]}" -> "{history["probe"]}";' in dot
    assert 'combine uniform\\npets\\nlatest", style=bold];' in dot
    below = call("lineage", "foundation", "--descendants", "--dot").out
    assert sorted(line for line in below.splitlines() if "->" in line) == sorted(
        line for line in dot.splitlines() if "->" in line
    )
