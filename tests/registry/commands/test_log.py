from __future__ import annotations

import time
from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from ratatouille.home import home as home_folder
from registry.maintainer import Maintainer
from tests.ratatouille.cli.call import call
from tests.registry.world import World


def ids(*options: object) -> list[str]:
    return [entry["id"] for entry in call("log", "--json", *options).json["versions"]]


def test_log_lists_versions_latest_first_with_who_made_them_and_what_they_are_called(history: dict[str, str]) -> None:
    lines = call("log").out.splitlines()
    assert lines[0].split("  ")[0] == "id"
    assert [line[:10] for line in lines[1:]] == [
        history[name][:10] for name in ("average", "second", "first", "probe", "foundation")
    ]
    average, foundation = lines[1].split(), lines[-1].split()
    assert average[3:] == ["combine", "uniform", "–", "87.5", "±", "24.6", "pets", "–", "spring", "latest"]
    assert foundation[3:] == ["import", "–", "–", "–", foundation[-3], "–", "foundation"]


def test_log_and_show_name_the_recipes_that_a_round_ended_with(history: dict[str, str], world: World) -> None:
    for recipe in ("ratatouille", "soup"):
        world.registry.rounds.name_result("4f2a", recipe, history["average"])
    assert "  ratatouille +1  " in call("log").out.splitlines()[1]
    assert "  ratatouille +1  " in call("log", "--graph").out.splitlines()[0]
    shown = call("show", "latest").out
    assert "ratatouille of round spring, soup of round spring" in shown
    assert "87.5 ± 24.6 % accuracy: 8 images of the split test, one domain" in shown
    entry = call("log", "--json").json["versions"][0]
    assert [one["recipe"] for one in entry["recipes"]] == ["ratatouille", "soup"]
    assert "recipes" not in call("log", "--json").json["versions"][1]


def test_log_chooses_by_kind_task_and_round_and_stops_at_its_limit(history: dict[str, str]) -> None:
    assert ids("--kind", "fine_tune") == [history["second"], history["first"]]
    assert ids("--kind", "fine_tune", "--limit", 1) == [history["second"]]
    assert ids("--round", "spring") == ids("--round", "4f2a") == [history["average"]]
    assert history["foundation"] not in ids("--task", "pets")
    assert "no version fits" in call("log", "--kind", "import", "--task", "pets").out


def test_pages_follow_each_other_and_the_last_line_says_how(history: dict[str, str]) -> None:
    everything = call("log", "--json").json["versions"]
    first = call("log", "--limit", 2)
    number = everything[1]["number"]
    assert first.out.splitlines()[-1] == f"(there may be more: --before {number} goes on)"
    assert ids("--limit", 2) + ids("--before", number) == [entry["id"] for entry in everything]
    assert "--before" not in call("log").out
    assert call("log", "--limit", 2, "--json").json["next"] == number
    assert call("log", "--before", number, "--json").json["next"] is None
    call("log", "--before", 4711).refused("4711")


def test_log_chooses_by_time_and_text(history: dict[str, str]) -> None:
    assert ids("--since", "1h") == ids("--until", time.strftime("%Y-%m-%d", time.gmtime())) == ids()
    assert ids("--until", time.strftime("%Y%m%d", time.gmtime())) == ids("--since", time.strftime("%GW%V")) == ids()
    assert ids("--until", time.strftime("%G-W%V", time.gmtime())) == ids()
    assert ids("--until", "1h") == ids("--since", "2100-01-01") == []
    assert ids("--text", "UNIFORM of") == [history["average"]]
    assert ids("--text", "the sea") == [history["foundation"]]
    assert ids("--text", "100%") == ids("--state", "retracted") == []
    call("log", "--since", "yesterday").refused("yesterday", "3d")
    call("log", "--until", "2026-11").refused("2026-11", "is no moment of ISO 8601")
    call("log", "--since", "1h", "--until", "2d").refused("--since 1h", "--until 2d", "no moment lies between")


def test_log_chooses_by_contributor(history: dict[str, str], world: World) -> None:
    node = world.signer.node
    world.offer(name="zoo")
    mine = [history[name] for name in ("second", "first", "probe", "foundation")]
    assert ids("--contributor", "zoo") == ids("--contributor", node[:8]) == ids("--contributor", node) == mine
    call("log", "--contributor", "circus").refused("circus")
    call("log", "--contributor", "0" * 64).refused("0000")


def test_log_of_this_machine_asks_for_its_person_and_its_nodes(history: dict[str, str], world: World) -> None:
    call("log", "--mine").refused("nobody has contributed")
    key = home_folder() / "nodes" / "den" / "key"
    Signer.open(key)
    assert ids("--mine") == []
    key.write_text((world.folder.parent / "node.key").read_text())
    assert len(ids("--mine")) == 4
    assert ids("--mine", "--kind", "probe") == [history["probe"]]
    assert not (home_folder() / "key").exists()


def test_the_graph_draws_rounds_and_releases(history: dict[str, str], world: World) -> None:
    maintainer = Maintainer(world.registry, world.signer)
    maintainer.tag(history["average"], "v1")
    lines = call("log", "--graph").out.splitlines()
    assert lines == [
        f"●  {history['average'][:10]}  combine uniform  pets  round spring  (latest, v1)  87.5 ± 24.6 %",
        "●  2 ×  fine_tune  pets  by zoo",
        f"●  {history['probe'][:10]}  probe  pets  by zoo",
        f"●  {history['foundation'][:10]}  import  by zoo  (foundation)",
    ]
    assert call("log", "--graph", "--kind", "combine").out.startswith("○  ")


def test_what_no_query_can_hold_is_refused_in_one_sentence(history: dict[str, str]) -> None:
    call("log", "--text", "x" * 300).refused("text")
    call("log", "--task", "x" * 300).refused("task")


@pytest.mark.parametrize("words", ["[bold]", "\x1b[2J"])
def test_words_of_others_are_shown_as_they_are(world: World, words: str) -> None:
    world.offer(name="zoo")
    world.foundation(source=words)
    assert ids("--text", words) == [entry["id"] for entry in call("log", "--json").json["versions"]]


def test_a_key_is_read_and_never_made(history: dict[str, str], home: Path) -> None:
    call("log", "--mine").refused("there is no key")
    assert not (home / "key").exists()
