import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ratatouille.errors import Refusal
from ratatouille.tasks import DataSettings
from ratatouille.tasks.data import open_data
from ratatouille.tasks.emoji import PYPI_STYLES, SOURCES, STYLES, TARGET, emoji_tasks, write_emoji
from ratatouille.tasks.emoji.catalogue import CLASSES, package_folder, package_version
from ratatouille.tasks.emoji.drawing import drawers, framed
from ratatouille.tasks.emoji.tree import MARKER, code_points

COUNTS = {
    "emoji-things": 370,
    "emoji-smileys": 147,
    "emoji-people": 145,
    "emoji-objects": 252,
    "emoji-symbols": 183,
    "emoji-scenes": 196,
}


def test_the_tasks_have_the_expected_numbers_of_emoji() -> None:
    assert {name: sum(map(len, code_points(name).values())) for name in emoji_tasks()} == COUNTS
    assert len(emoji_tasks()[TARGET].classes) == 14
    assert [name for name, task in emoji_tasks().items() if task.kind == "target"] == [TARGET]


def test_no_emoji_is_in_two_classes() -> None:
    points = [point for name in CLASSES for found in code_points(name).values() for point in found]
    assert len(set(points)) == len(points)


def test_each_style_has_a_source_with_a_licence() -> None:
    assert set(SOURCES) == set(STYLES) == set(PYPI_STYLES) | {"noto", "fluent"}
    assert all(source.licence and source.credit and source.package for source in SOURCES.values())


def test_a_fish_fills_the_frame_in_every_style() -> None:
    for style, draw in drawers(dict.fromkeys(PYPI_STYLES)).items():
        picture = framed(draw(0x1F41F), 72)
        assert picture is not None, style
        ink = np.asarray(picture.convert("L")) < 250
        assert picture.size == (72, 72)
        margin = [int(np.flatnonzero(ink.any(axis=axis))[0]) for axis in (0, 1)]
        assert min(margin) == pytest.approx(72 * (1 - 1 / 1.1) / 2, abs=1.5), style
        assert draw(0x0378) is None, style


def test_line_art_has_no_colour() -> None:
    picture = framed(drawers({"openmoji-line": None})["openmoji-line"](0x1F41F), 72)
    assert picture is not None
    pixels = np.asarray(picture).astype(int)
    assert np.ptp(pixels, axis=2).max() == 0


def test_an_emoji_that_one_style_lacks_is_left_out_of_all(tmp_path: Path) -> None:
    folder = write_emoji("emoji-symbols", tmp_path / "e", ["twemoji", "openmoji-line"], 16)
    names = [{path.name for path in (folder / style).rglob("*.png")} for style in ("twemoji", "openmoji-line")]
    assert names[0] == names[1]
    assert len(names[0]) == 178
    assert "1f17f.png" not in names[0]  # this letter button is a white letter on colour: without lines


def test_writing_again_writes_nothing_and_other_settings_replace(tmp_path: Path) -> None:
    folder = write_emoji("emoji-people", tmp_path / "e", ["twemoji", "noto-mono"], 16)
    picture = folder / "twemoji" / "hand" / "1f44d.png"
    before = picture.stat().st_mtime_ns
    write_emoji("emoji-people", folder, ["twemoji", "noto-mono"], 16)
    assert picture.stat().st_mtime_ns == before
    picture.unlink()
    write_emoji("emoji-people", folder, ["twemoji", "noto-mono"], 16)
    assert picture.is_file()
    write_emoji("emoji-people", folder, ["twemoji"], 24)
    with Image.open(picture) as image:
        assert image.size == (24, 24)
    assert sorted(path.name for path in folder.iterdir()) == [MARKER, "twemoji"]
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_an_emoji_task_is_an_ordinary_folder(tmp_path: Path) -> None:
    folder = write_emoji("emoji-smileys", tmp_path / "e", ["twemoji", "noto-mono"], 32)
    task = emoji_tasks(["twemoji", "noto-mono"])["emoji-smileys"]
    data = open_data(task, DataSettings(path=folder, group="stem"))
    assert data.notes == ()
    assert len(data) == 2 * 147
    sides = dict(zip(data.groups, data.splits(), strict=True))
    assert len(sides) == 147
    assert 1 <= list(sides.values()).count("validation") <= 50


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(Refusal, match="was not written by the emoji tasks; name another folder"):
        write_emoji("emoji-smileys", tmp_path)
    assert (tmp_path / "thesis.txt").is_file()


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="there is no emoji task 'emoji-flags'; the tasks are emoji-things, "):
        write_emoji("emoji-flags", tmp_path / "e")
    with pytest.raises(Refusal, match="there is no emoji style 'apple'; the styles are twemoji, "):
        write_emoji("emoji-smileys", tmp_path / "e", ["apple"])
    with pytest.raises(Refusal, match="name at least one emoji style, and each once"):
        write_emoji("emoji-smileys", tmp_path / "e", ["twemoji", "twemoji"])


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(Refusal, match=r"need the package 'no-such-emoji'; install it with pip install 'model-"):
        package_folder("no-such-emoji", "no_such_emoji")
    assert package_version("no-such-emoji") == "absent"
    assert package_version("pillow") == importlib.metadata.version("pillow")


def test_styles_of_npm_are_read_from_an_unpacked_package(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="needs the folder of the npm package emoji-datasource-google; get it with `npm"):
        drawers({"noto": None})
    with pytest.raises(Refusal, match="there are no drawings in"):
        drawers({"fluent": tmp_path})
    for place, name in (("img/google/64", "2764-fe0f.png"), ("assets", "2764-fe0f.webp")):
        (tmp_path / place).mkdir(parents=True)
        Image.new("RGBA", (64, 64), "red").save(tmp_path / place / name)
    for draw in drawers({"noto": tmp_path, "fluent": tmp_path}).values():
        assert draw(0x2764) is not None
        assert draw(0x2765) is None


def test_the_marker_says_how_many_images_there_are(tmp_path: Path) -> None:
    folder = write_emoji("emoji-smileys", tmp_path / "e", ["twemoji"], 8)
    assert json.loads((folder / MARKER).read_text())["images"] == 147
