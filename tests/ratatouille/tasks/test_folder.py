import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ratatouille.errors import Refusal
from ratatouille.tasks.folder import rows_of_folder
from ratatouille.tasks.formats import pillow_formats, readable
from ratatouille.tasks.images import decode
from ratatouille.tasks.source import Row

Draw = Callable[[Path, int], Path]


def test_domain_folders_name_domains_and_class_folders_labels(tree: Path) -> None:
    rows, notes = rows_of_folder(tree)
    assert len(rows) == 12
    assert rows[0] == Row("photo/cat/cat0.png", "cat", "photo")
    assert notes == []


def test_class_folders_alone_name_no_domain(tree: Path) -> None:
    rows, _ = rows_of_folder(tree / "photo")
    assert rows[0] == Row("cat/cat0.png", "cat", None)


def test_hidden_files_are_ignored_and_other_files_noted(tree: Path, draw: Draw) -> None:
    draw(tree / "photo" / "cat" / "._cat.png", 1)
    draw(tree / "__MACOSX" / "cat" / "a.png", 1)
    (tree / "README.md").write_text("about")
    (tree / "photo" / "cat" / "a.svg").write_text("?")
    rows, notes = rows_of_folder(tree)
    assert len(rows) == 12
    assert notes == ["ignored 2 files that are no images (.md, .svg)"]


def test_images_whose_reader_is_not_installed_are_counted_and_its_package_is_named(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    readable.cache_clear()
    phone = tmp_path / "phone" / "cat"
    phone.mkdir(parents=True)
    try:
        for folder in (tree / "photo" / "cat", phone):
            (folder / "a.heic").write_text("?")
            (folder / "b.HEIC").write_text("?")
        _, notes = rows_of_folder(tree)
        assert notes == ["2 images (.heic) cannot be read here; install pillow-heif"]
        with pytest.raises(Refusal, match=r"holds no images that can be used: 2 images \(\.heic\) cannot be read here"):
            rows_of_folder(phone.parent)
    finally:
        readable.cache_clear()


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_a_photo_of_a_telephone_is_an_image(tree: Path, suffix: str) -> None:
    pillow_formats()
    Image.new("RGB", (40, 30), "red").save(file := tree / "photo" / "cat" / f"a{suffix}")
    rows, notes = rows_of_folder(tree)
    assert (len(rows), notes) == (13, [])
    assert decode(file.read_bytes(), 8)[4, 4].tolist() == pytest.approx([255, 0, 0], abs=6)


def test_suffixes_are_read_in_any_case(tree: Path, draw: Draw) -> None:
    draw(tree / "photo" / "cat" / "LOUD.JPG", 1)
    assert len(rows_of_folder(tree)[0]) == 13


def test_a_folder_that_is_missing_empty_or_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="there is no folder"):
        rows_of_folder(tmp_path / "nothing")
    with pytest.raises(Refusal, match="holds no files; put images in one folder for each class"):
        rows_of_folder(tmp_path)
    for name in ("a.wav", "b.wav", "c.csv"):
        (tmp_path / name).write_text("")
    with pytest.raises(Refusal, match=r"holds no images \(found 2 \.wav, 1 \.csv\); tasks classify images"):
        rows_of_folder(tmp_path)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("a.png", "'a.png' in .* lies in no class folder"),
        ("photo/cat/more/a.png", "'photo/cat/more/a.png' in .* lies too deep"),
        ("dog/a.png", "mixes 'dog/a.png' and 'photo/cat/cat0.png'"),
    ],
)
def test_an_image_at_another_depth_is_refused_by_name(tree: Path, draw: Draw, file: str, sentence: str) -> None:
    draw(tree / file, 1)
    with pytest.raises(Refusal, match=sentence):
        rows_of_folder(tree)


def test_links_are_followed_only_to_files_inside(tree: Path, draw: Draw) -> None:
    inside = tree / "photo" / "cat" / "again.png"
    inside.symlink_to(tree / "photo" / "cat" / "cat0.png")
    assert len(rows_of_folder(tree)[0]) == 13
    draw(tree.parent / "secret.png", 1)
    inside.unlink()
    inside.symlink_to(tree.parent / "secret.png")
    with pytest.raises(Refusal, match="links to something outside"):
        rows_of_folder(tree)
    inside.unlink()
    inside.symlink_to(tree / "nothing.png")
    with pytest.raises(Refusal, match="a link to nothing"):
        rows_of_folder(tree)
    inside.unlink()
    (tree / "photo" / "loop").symlink_to(tree)
    with pytest.raises(Refusal, match="is a link to a folder, which is not followed"):
        rows_of_folder(tree)


def test_a_name_that_is_no_text_is_refused(tree: Path) -> None:
    Path(str(tree / "photo" / "cat" / "caf\udce9.png")).touch()
    with pytest.raises(Refusal, match="is not UTF-8; rename it"):
        rows_of_folder(tree)
