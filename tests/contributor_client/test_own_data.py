"""`evaluate` and `best` through the real command line, on real tiny weights in a registry's folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from ratatouille.exchange.assignment import Cell
from ratatouille.tasks.synthetic import write_synthetic
from tests.contributor_client.pantry import TRAINED, Pantry
from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home

# -- a version's own head


def test_own_heads_are_counted_as_a_node_counts_them(pantry: Pantry, tmp_path: Path) -> None:
    words = ("--data", pantry.images, "--group", "stem", "--split", "validation", "--json")
    (found,) = pantry.ask("evaluate", "probed", *words).json["versions"]
    cells = [Cell(domain=domain, split="validation") for domain in pantry.setup.task.domains]
    counted = pantry.setup.perform(pantry.setup.evaluate(*cells), tmp_path).evaluations
    assert (found["head"], found["reason"], found["image_size"], found["fitted"]) == ("own", "", 32, 0)
    assert found["classes"] == list(pantry.setup.task.classes)
    everything, *domains = found["scores"]
    assert everything["domain"] is None
    assert {one["domain"]: (one["images"], one["correct"]) for one in domains} == {
        one.cell.domain: (one.count, one.correct) for one in counted
    }
    assert everything["correct"] == sum(one.correct for one in counted)
    assert sum(map(sum, found["confusion"])) == everything["images"] == sum(one.count for one in counted)


def test_all_images_are_counted_with_a_margin_and_the_table_says_so(pantry: Pantry) -> None:
    called = pantry.ask("evaluate", "average", "probed", "--data", pantry.images)
    assert called.code == 0, called.err
    header, *lines = called.out.splitlines()
    assert " ".join(header.split()) == "version made by task head domain accuracy ± balanced ± images"
    totals = [line.split() for line in lines if " own " in line]
    assert [(row[-6], row[-1]) for row in totals] == [("all", "108"), ("all", "108")]
    assert [line.split()[0] for line in lines if line.startswith(" ")] == ["day", "night", "sketch"] * 2
    assert lines[-1] == "Counted here; nothing was sent to the registry."


def test_some_of_the_classes_under_other_names_and_without_domains_are_enough(pantry: Pantry, tmp_path: Path) -> None:
    for local, shape in (("ring", "disc"), ("box", "square"), ("unsure", "star")):
        shutil.copytree(pantry.images / "day" / ("disc" if shape == "star" else shape), tmp_path / "mine" / local)
    mapped = [word for one in ("ring=disc", "box=square", "unsure=-") for word in ("--map", one)]
    document = pantry.ask("evaluate", "first", "--data", tmp_path / "mine", *mapped, "--json").json
    (found,) = document["versions"]
    assert found["head"] == "own"
    assert [one["images"] for one in found["scores"]] == [24]
    assert [sum(row) for row in found["confusion"]] == [12, 12, 0]
    assert document["notes"] == ["left out as the settings say: 12 images labelled 'unsure'"]


def test_a_manifest_is_read_as_a_node_reads_it(pantry: Pantry, tmp_path: Path) -> None:
    for place in ("day", "night"):
        shutil.copytree(pantry.images / place / "disc", tmp_path / place / "disc")
    manifest = tmp_path / "mine.csv"
    rows = [f"{place}/disc/disc-000.png,disc,my {place}" for place in ("day", "night")]
    manifest.write_text("\n".join(["file_name,label,domain", *rows]))
    (found,) = pantry.ask("evaluate", "first", "--data", manifest, "--json").json["versions"]
    assert [(one["domain"], one["images"]) for one in found["scores"]] == [(None, 2), ("my day", 1), ("my night", 1)]


# -- a head that is probed


def test_a_foundation_has_a_head_probed_on_the_training_side_and_counted_on_the_rest(pantry: Pantry) -> None:
    called = pantry.ask("evaluate", "foundation", "--data", pantry.images, "--group", "stem", "--json")
    (found,) = called.json["versions"]
    assert (found["head"], found["reason"], found["task"]) == ("probed", "the version has no head", None)
    assert found["fitted"] + found["scores"][0]["images"] == 108
    assert 0 < found["scores"][0]["images"] < 54


def test_other_classes_than_the_tasks_are_learnt_by_a_probed_head_which_the_output_says(
    pantry: Pantry, tmp_path: Path
) -> None:
    for number in range(20):
        for colour in ("blue", "red"):
            (tmp_path / colour).mkdir(exist_ok=True)
            shade = (55 + 10 * number, 0, 0) if colour == "red" else (0, 0, 55 + 10 * number)
            Image.new("RGB", (32, 32), shade).save(tmp_path / colour / f"{number}.png")
    called = pantry.ask("evaluate", "average", "foundation", "--data", tmp_path, "--l2", "0.01")
    assert called.code == 0, called.err
    assert called.out.count(" probed ") == called.out.count(" 100.0 ") / 2 == 2
    assert "'blue', 'red' are no classes of task 'shapes'" in called.out
    assert "the version has no head" in called.out


# -- best


def test_best_sorts_the_newest_versions_of_a_task_on_the_same_images(pantry: Pantry) -> None:
    found = pantry.ask("best", "--data", pantry.images, "--last", 3, "--task", "shapes", "--json").json
    scores = [one["scores"][0]["accuracy"]["value"] for one in found["versions"]]
    newest = [pantry.registry.releases.aliases()[name] for name in TRAINED[1:]]
    assert sorted(one["version"] for one in found["versions"]) == sorted(newest)
    assert scores == sorted(scores, reverse=True)
    assert {one["head"] for one in found["versions"]} == {"own"}
    assert found["metric"] == "accuracy"
    assert [round(one["value"], 9) for one in found["behind"]] == [round(scores[0] - one, 9) for one in scores[1:]]
    assert all(one["images"] == 108 and one["low"] <= one["value"] <= one["high"] for one in found["behind"])
    assert found["versions"][0]["version"][:10] in found["sentence"]


def test_where_one_version_has_no_head_best_probes_one_for_each(pantry: Pantry) -> None:
    called = pantry.ask("best", "--data", pantry.images, "--group", "stem", "--metric", "balanced_accuracy")
    assert called.code == 0, called.err
    assert called.out.count(" probed ") == 5
    assert " own " not in called.out
    assert (
        f"(so that all are alike, as {pantry.registry.releases.aliases()['foundation'][:10]} needs one)" in called.out
    )
    assert called.out.count("points of balanced accuracy") + called.out.count("level in balanced accuracy") == 1


def test_a_single_version_is_best_of_nothing(pantry: Pantry) -> None:
    called = pantry.ask("best", "--data", pantry.images, "--last", 1)
    assert "is the only version, so there is nothing to compare" in called.out


# -- what cannot be done


def test_an_unknown_revision_is_refused_before_images_are_read(pantry: Pantry, tmp_path: Path) -> None:
    pantry.ask("evaluate", "latest", "winter", "--data", pantry.images).refused("'latest'")
    pantry.ask("best", "--task", "cars", "--data", pantry.images).refused("cars is not known")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--map", "disc"], ["--map takes LABEL=CLASS", "'disc'"]),
        (["--map", "ring=disc"], ["'ring'", "its classes are 'disc', 'square', 'triangle'"]),
        (["--group", "("], ["not a regular expression"]),
        (["--head", "own", "--map", "disc=circle"], ["own head", "'circle' is no class of task 'shapes'", "--map"]),
        (["--head", "probed", "--split", "train"], ["fitted on", "use validation, test or rest"]),
        (["--split", "test"], ["no image is on side 'test'", "--split"]),
        (["--map", "disc=-", "--map", "square=-", "--map", "triangle=-"], ["every class", "is left out"]),
        (["--head", "probed", "--map", "disc=x", "--map", "square=x", "--map", "triangle=x"], ["one class only"]),
        (["--image-size", "2000"], []),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags: list[str], says: list[str], pantry: Pantry) -> None:
    called = pantry.ask("evaluate", "first", "--data", pantry.images, *flags)
    assert called.code == 2
    if says:
        called.refused(*says)


def test_folders_that_cannot_be_used_are_named(pantry: Pantry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    pantry.ask("evaluate", "first", "--data", tmp_path / "empty").refused("'", "holds no files")
    pantry.ask("evaluate", "first", "--data", tmp_path / "lost").refused("there is no folder", "lost")
    damaged = tmp_path / "damaged"
    shutil.copytree(pantry.images / "day", damaged)
    (damaged / "disc" / "broken.png").write_bytes(b"\x89PNG nothing")
    pantry.ask("evaluate", "first", "--data", damaged).refused("broken.png", "cannot be used")
    skipped = pantry.ask("evaluate", "first", "--data", damaged, "--corrupt", "skip")
    assert skipped.code == 0
    assert "note: skipped 1 image that cannot be read" in skipped.out


def test_other_classes_with_too_few_images_are_refused(pantry: Pantry, tmp_path: Path) -> None:
    one = write_synthetic("shapes-round", tmp_path / "one", each=1, styles=("day",))
    called = pantry.ask("evaluate", "first", "--data", one)
    called.refused("not enough images to probe a head", "add some")


def test_a_folder_without_a_registry_does_not_become_one(pantry: Pantry, tmp_path: Path) -> None:
    called = call("evaluate", "first", "--data", pantry.images, "--remote", tmp_path / "typo")
    called.refused("there is no registry in")
    assert not (tmp_path / "typo").exists()


def test_features_are_computed_once(pantry: Pantry, home: Path) -> None:
    words = ("evaluate", "first", "--data", pantry.images, "--json")
    first = pantry.ask(*words)
    kept = {path: path.stat().st_ino for path in (home / "own-data" / "features").iterdir()}
    assert len(kept) == 3
    assert pantry.ask(*words) == first
    assert kept == {path: path.stat().st_ino for path in (home / "own-data" / "features").iterdir()}
