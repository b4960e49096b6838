from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.exchange.receipt import CurvePoint
from registry.commands.log import MOST_SHOWN
from tests.ratatouille.cli.call import call
from tests.registry.test_retraction import mean_of
from tests.registry.world import World


def test_show_tells_version_parents_receipt_and_curve(world: World) -> None:
    curve = tuple(
        CurvePoint(step=5 * i, loss=None, validation_loss=2.0 - i, score=score) for i, score in enumerate((0.25, 0.75))
    )
    start = world.probed()
    trained = world.work(
        *world.fine_tune(start, 1, curve=curve, kept_step=5, software={"torch": "2.9"}, note="[b]x\x1b[2J")
    )
    shown = call("show", str(trained.version)[:12]).out
    for words in (str(trained.version), str(start.version)[:10], "10 steps", "torch 2.9", "best, from step 5"):
        assert words in shown
    assert "▁█  25.0 → 75.0 %, best 75.0 %" in shown
    assert "█▁  2.000 → 1.000" in shown
    assert "[b]x" in shown
    assert "\x1b" not in shown


def test_show_of_a_version_with_many_parents_recipes_and_tags_is_short_and_json_is_whole(world: World) -> None:
    start = world.probed()
    parents = [world.tuned(start, seed) for seed in range(1, MOST_SHOWN + 3)]
    average = mean_of(world, *parents)
    for number in range(1000):
        world.registry.rounds.name_result(f"round-{number}", "soup", str(average.version))
    for number in range(8):
        world.maintainer.tag(str(average.version), f"tag-{number}")
    shown = call("show", str(average.version)[:12])
    assert "and 2 more; --json has all" in shown.out
    assert "soup of round round-5 and 994 more" in shown.out
    assert "and 2 more\n" in shown.out
    whole = call("show", str(average.version)[:12], "--json").json
    assert len(whole["entry"]["recipes"]) == 1000
    assert "tag-5 and 2 more" in call("log").out


def test_show_gives_each_cell_with_its_margin_and_count(history: dict[str, str]) -> None:
    # 7 of 8 right: Agresti-Coull, n = 8 + 1.96² = 11.84, p = (7 + 1.92) / n = 0.753, margin 1.96 √(p (1 − p) / n)
    (line,) = [line for line in call("show", "latest").out.splitlines() if "sketch" in line]
    assert line.split() == ["pets", "sketch", "test", "all", "87.5", "24.6", "87.5", "8", "1"]
    found = call("show", "latest", "--json").json
    assert found["entry"]["id"] == history["average"]
    assert found["evaluations"][0]["evaluation"]["confusion"] == [[3, 1], [0, 4]]
    assert found["scores"][0]["images"] == 8
    assert found["scores"][0]["margin"] == pytest.approx(0.2456, abs=1e-4)


def test_a_revision_that_is_none_is_refused_in_one_sentence(history: dict[str, str]) -> None:
    for command in ("show", "lineage", "verify"):
        call(command, "nothing").refused("nothing")
        call(command, "0000000").refused("0000000")
        call(command, "latest~9").refused("latest~9")
    call("log", "--kind", "magic").refused("magic", "fine_tune")
    call("log", "--task", "cars").refused("cars")
    call("log", "--round", "autumn").refused("autumn")


def test_a_mistyped_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    call("log", "--remote", tmp_path / "registri").refused("there is no registry in", "registri")
    assert not (tmp_path / "registri").exists()


def test_an_empty_registry_is_said_to_be_empty(world: World) -> None:
    assert "no version fits" in call("log").out
    assert call("log", "--json").json == {"versions": [], "next": None}
