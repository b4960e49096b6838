from __future__ import annotations

from tests.ratatouille.cli.call import call
from tests.registry.world import World


def test_two_versions_are_shown_side_by_side(history: dict[str, str], world: World) -> None:
    for name in ("first", "second"):
        result = next(
            one
            for one in world.registry.work.results([world.registry.versions.show(history[name]).entry.work_id]).values()
        )
        world.work(world.evaluation(result, ((4, 0), (3, 1)) if name == "first" else ((4, 0), (0, 4))), {})
    out = call("diff", history["first"], history["second"]).out
    lines = out.splitlines()
    probe = history["probe"][:10]
    assert lines[0].startswith(f"first   {history['first'][:10]}")
    assert lines[1].startswith(f"second  {history['second'][:10]}")
    assert lines[2] == f"both come from {probe}: the first 1 step later, the second 1 step"
    (whole, _) = [line.split() for line in lines if line.startswith("all  ")]
    assert whole[3:] == ["92.3", "39"]  # all but the running means
    (buffer,) = [line.split() for line in lines if line.startswith("bn.running_mean")]
    assert buffer == ["bn.running_mean", "0", "0", "0", "3", "buffer"]
    (sketch,) = [line.split() for line in lines if "sketch" in line]
    assert sketch[:7] == ["pets", "sketch", "test", "all", "62.5", "100.0", "+37.5"]
    assert sketch[-2:] == ["same", "images"]
    balanced = call("diff", history["first"], history["second"], "--metric", "balanced_accuracy").out
    assert "balanced accuracy" in balanced


def test_what_one_comes_from_is_said(history: dict[str, str], world: World) -> None:
    assert "the second comes from the first, 2 steps later" in call("diff", "latest~2", "latest").out
    assert "the first comes from the second, 1 step later" in call("diff", "latest", "latest~1").out
    assert "they are the same version" in call("diff", "latest", "latest").out
    assert "the same file, 39 elements" in call("diff", "foundation", history["probe"]).out
    assert "has one" in call("diff", "foundation", "latest").out
    other = world.foundation(9)
    assert "no version in common" in call("diff", str(other.version), "latest").out


def test_only_the_tensors_that_moved_most_are_shown_unless_all_are_asked_for(history: dict[str, str]) -> None:
    few, every = call("diff", "latest~1", "latest"), call("diff", "latest~1", "latest", "--all")
    assert few.out == every.out  # the tiny network has fewer than ten
    found = call("diff", "latest~1", "latest", "--json").json
    assert [part["part"] for part in found["parts"]] == ["featurizer", "head"]
    assert {tensor["name"] for tensor in found["parts"][1]["tensors"]} == {"weight", "bias"}


def test_a_revision_that_is_none_is_refused(history: dict[str, str]) -> None:
    call("diff", "latest", "nothing").refused("nothing")
    call("diff", "nothing", "latest").refused("nothing")
