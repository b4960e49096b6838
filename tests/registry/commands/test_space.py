import time
from pathlib import Path

from registry.records import RoundRecord
from tests.ratatouille.cli.call import call
from tests.registry.world import World, head


def forget_all_but_the_newest(world: World) -> None:
    """A policy, and a round that is newer than everything."""
    later = time.time() + 60
    world.registry.rounds.request_round(
        RoundRecord(id="9b1d", name="autumn", spec="{}", state="done", created=later, changed=later)
    )
    set_ = call("registry", "settings", "retention_rounds", 1, "--folder", world.folder.parent / "registry")
    assert set_.code == 0


def test_usage_says_what_is_here_and_how_much_room_is_left(history: dict[str, str], world: World) -> None:
    shown = call("registry", "usage").out
    for words in ("versions", "weights", "free on the disk", "room for new weights", "all rounds, and whatever"):
        assert words in shown
    assert "removed by gc" not in shown
    found = call("registry", "usage", "--json").json
    assert found["versions"] == 5
    assert found["room"] == max(0, found["free_bytes"] - found["reserve_bytes"])


def test_gc_says_what_would_go_and_with_apply_what_went(history: dict[str, str], world: World) -> None:
    world.maintainer.tag(history["first"], "best")
    assert "all rounds keep their weights" in call("registry", "gc").out
    forget_all_but_the_newest(world)
    assert "0 parts of 0 versions would go" in call("registry", "gc").out  # `latest` is an average of everything
    lone = world.tuned(
        world.registry.work.results([world.registry.versions.show(history["probe"]).entry.work_id]).popitem()[1], 9
    )
    asked = call("registry", "gc").out
    assert f"{str(lone.version)[:10]}" in asked
    assert "2 parts of 1 version would go" in asked
    assert "nothing was removed; `ratatouille registry gc --apply` does it" in asked
    done = call("registry", "gc", "--apply").out
    assert "2 parts of 1 version went" in done
    assert "nothing was removed" not in done
    assert "removed by gc" in call("registry", "usage").out
    assert "weights" in call("show", lone.version).out
    assert "removed by gc on" in call("show", lone.version).out
    verified = call("verify", lone.version)
    assert verified.code == 0
    assert "removed by gc on" in verified.out


def test_gc_removes_files_that_no_version_has(history: dict[str, str], world: World, tmp_path: Path) -> None:
    digest, path = world.file(head(77))
    stray = tmp_path / "registry" / "blobs" / digest[:2] / digest
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(path.read_bytes())
    assert "1 file that no version has would go" in call("registry", "gc").out
    assert stray.exists()
    assert call("registry", "gc", "--apply", "--json").json["stray"] == 1
    assert not stray.exists()
