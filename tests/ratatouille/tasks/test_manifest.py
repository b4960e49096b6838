from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.tasks.manifest import rows_of_manifest
from ratatouille.tasks.source import Row


def manifest(tree: Path, text: str) -> Path:
    path = tree / "list.csv"
    path.write_text(text)
    return path


def test_a_manifest_states_label_domain_group_and_split(tree: Path) -> None:
    header = "file_name,label,domain,group,split,colour\n"
    text = header + "./photo/cat/cat0.png, cat ,photo,tom,test,black\nphoto/dog/dog0.png,dog,photo,,,\n"
    rows, notes = rows_of_manifest(manifest(tree, "\ufeff" + text))
    assert rows == [
        Row("photo/cat/cat0.png", "cat", "photo", "tom", "test"),
        Row("photo/dog/dog0.png", "dog", "photo", None, None),
    ]
    assert notes == ["ignored columns of the manifest: 'colour'"]


def test_two_columns_are_enough(tree: Path) -> None:
    rows, notes = rows_of_manifest(manifest(tree, "file_name,label\nphoto/cat/cat0.png,cat\n"))
    assert rows == [Row("photo/cat/cat0.png", "cat")]
    assert notes == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no column 'file_name' (found none)"),
        ("file_name;label\na;b\n", "has no column 'file_name' (found 'file_name;label')"),
        ("file_name,Label\n", "has no column 'label' (found 'file_name', 'Label')"),
        ("file_name,label,label\n", "has the column 'label' twice"),
        ("file_name,label\n", "lists no images"),
        ("file_name,label\nphoto/cat/cat0.png\n", "line 2 of"),
        ("file_name,label\nphoto/cat/cat0.png,cat,dog\n", "does not have as many cells as the header"),
        ("file_name,label\nphoto/cat/cat0.png,\n", "has an empty label"),
        ("file_name,label\n,cat\n", "has an empty file_name"),
        ("file_name,label,domain\nphoto/cat/cat0.png,cat,\n", "has an empty domain"),
        ("file_name,label,split\nphoto/cat/cat0.png,cat,val\n", "has the split 'val'; use train, validation or test"),
        ("file_name,label\n/etc/a.png,cat\n", "has the path '/etc/a.png'; use paths relative"),
        ("file_name,label\n../a.png,cat\n", "has the path '../a.png'; use paths relative"),
        ("file_name,label\nphoto/../../a.png,cat\n", "use paths relative"),
        ("file_name,label\nC:/a.png,cat\n", "use paths relative"),
        ("file_name,label\nphoto\\cat\\cat0.png,cat\n", "use paths relative"),
        ("file_name,label\nphoto/cat/none.png,cat\n", "line 2 of"),
        ("file_name,label\nphoto/cat/none.png,cat\n", "names 'photo/cat/none.png', which is not there"),
        ("file_name,label\nbark.wav,dog\n", "names 'bark.wav', which is no image; tasks classify images"),
        ("file_name,label\nphoto/cat/a\0.png,dog\n", "unusable path"),
        ('file_name,label\n"photo/cat/cat0.png,dog\n', "is not valid CSV"),
        ("file_name,label\nphoto/cat/cat0.png,cat\nphoto/cat/cat0.png,cat\n", "2 times; list each image once"),
        (
            "file_name,label\nphoto/cat/cat0.png,cat\n./photo/cat/cat0.png,dog\n",
            "lists 'photo/cat/cat0.png' as 'cat', 'dog', so it names several classes for one image",
        ),
    ],
)
def test_a_mistake_in_a_manifest_is_named(tree: Path, text: str, sentence: str) -> None:
    with pytest.raises(Refusal) as refusal:
        rows_of_manifest(manifest(tree, text))
    assert sentence in str(refusal.value)
    assert "list.csv" in str(refusal.value)


def test_a_manifest_that_is_missing_or_no_text_is_refused(tree: Path) -> None:
    with pytest.raises(Refusal, match="there is no manifest"):
        rows_of_manifest(tree / "none.csv")
    (tree / "list.csv").write_bytes(b"file_name,label\n\xff,cat\n")
    with pytest.raises(Refusal, match="is not UTF-8"):
        rows_of_manifest(tree / "list.csv")


def test_a_link_out_of_the_folder_is_refused(tree: Path) -> None:
    (tree.parent / "secret.png").touch()
    (tree / "a.png").symlink_to(tree.parent / "secret.png")
    with pytest.raises(Refusal, match="links to something outside"):
        rows_of_manifest(manifest(tree, "file_name,label\na.png,cat\n"))
