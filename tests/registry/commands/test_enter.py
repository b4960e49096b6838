from __future__ import annotations

from pathlib import Path

from tests.ratatouille.cli.call import call
from tests.registry.world import PETS, World

CARS = 'name = "cars"\nkind = "auxiliary"\nclasses = ["van", "bus"]\ndomains = ["photo"]\ndescription = "[bold]"\n'


def test_a_task_is_defined_once_and_listed(world: World, tmp_path: Path) -> None:
    file = tmp_path / "task.toml"
    file.write_text(CARS)
    first, again = call("task", "add", file, "--json").json, call("task", "add", file, "--json").json
    assert (first["name"], first["new"], again["new"]) == ("cars", True, False)
    assert first["digest"] == again["digest"]
    listed = {row["name"]: row["digest"] for row in call("task", "list", "--json").json["tasks"]}
    assert listed == {"cars": first["digest"], "pets": PETS.digest}
    assert "[bold]" in call("task", "list").out


def test_another_definition_under_the_same_name_is_refused(world: World, tmp_path: Path) -> None:
    file = tmp_path / "task.toml"
    file.write_text(CARS)
    call("task", "add", file)
    file.write_text(CARS.replace('"van", "bus"', '"bus", "van"'))
    call("task", "add", file).refused("cars")


def test_a_file_with_a_mistake_is_named(world: World, tmp_path: Path) -> None:
    call("task", "add", tmp_path / "task.toml").refused("task.toml", "ratatouille init task")
    (tmp_path / "task.toml").write_text("clases = []")
    call("task", "add", tmp_path / "task.toml").refused("task.toml")


def test_the_first_task_makes_the_folder_a_registry(tmp_path: Path) -> None:
    file, remote = tmp_path / "task.toml", tmp_path / "new"
    file.write_text(CARS)
    call("task", "list", "--remote", remote).refused("there is no registry in")
    assert call("task", "add", file, "--remote", remote).code == 0
    assert [task["name"] for task in call("task", "list", "--remote", remote, "--json").json["tasks"]] == ["cars"]


def test_release_moves_an_alias_and_says_from_where_to_where(world: World) -> None:
    first, second = str(world.foundation(0).version), str(world.foundation(1).version)
    assert call("release", first[:8], "--as", "latest").out.startswith(f"latest: nothing → {first[:10]}, signed as ")
    done = call("release", second, "--as", "latest", "-m", "better").out
    assert done.startswith(f"latest: {first[:10]} → {second[:10]}, signed as ")
    assert done.endswith("\n`ratatouille release --undo --as latest` takes it back\n")
    assert call("release", second, "--as", "latest").out == f"latest points at {second[:10]} already: nothing changed\n"
    again = call("release", second, "--as", "latest", "-m", "why not").out
    assert again.startswith(f"latest points at {second[:10]} already: nothing changed, and the message was not kept")
    moved = call("release", "latest", "--as", "stable", "--json").json
    assert moved == {"alias": "stable", "before": None, "version": second}
    assert world.registry.releases.aliases() == {"latest": second, "stable": second}
    assert world.registry.rounds.events()[-2].text.endswith("better")
    undone = call("release", "--undo", "--as", "latest").out
    assert undone.endswith(f"\n`ratatouille release {second[:10]} --as latest` takes it back\n")


def test_no_alias_moves_that_was_not_named(world: World) -> None:
    id = str(world.foundation().version)
    for words in ([id], ["--undo"], ["--history"]):
        call("release", *words).refused("say which alias with --as")
    assert world.registry.releases.aliases() == {}


def test_a_release_of_nothing_or_under_no_name_is_refused(world: World) -> None:
    call("release", "nothing", "--as", "stable").refused("nothing")
    world.foundation()
    id = call("log", "--json").json["versions"][0]["id"]
    call("release", id, "--as", "a b").refused("a b")
    call("release", id, "--as", "abcdef").refused("abcdef")
    assert world.registry.releases.aliases() == {}
