from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ratatouille.errors import Refusal
from ratatouille.tasks import DataSettings, Task
from ratatouille.tasks.source import Example, Row, examples_of

FOLDER = Path("/data/photo")


def mapped(task: Task, rows: list[Row], **settings: Any) -> tuple[list[Example], list[str]]:
    return examples_of(rows, FOLDER, task, DataSettings(path=FOLDER, **settings))


def test_labels_and_domains_are_the_tasks_own_by_default(pets: Task) -> None:
    examples, notes = mapped(pets, [Row("sketch/dog/a.png", "dog", "sketch"), Row("photo/cat/a.png", "cat", "photo")])
    assert examples == [
        Example(FOLDER / "sketch/dog/a.png", 1, "sketch", "sketch/dog/a.png", None),
        Example(FOLDER / "photo/cat/a.png", 0, "photo", "photo/cat/a.png", None),
    ]
    assert notes == []


def test_labels_are_mapped_and_a_dash_leaves_images_out(pets: Task) -> None:
    rows = [Row("a.png", "Katze"), Row("b.png", "Maus"), Row("c.png", "Maus"), Row("d.png", "dog")]
    examples, notes = mapped(pets, rows, labels={"Katze": "cat", "Maus": "-"})
    assert [example.label for example in examples] == [0, 1]
    assert notes == ["left out as the settings say: 2 images labelled 'Maus'"]


def test_domains_are_mapped_and_others_left_out_with_their_labels(pets: Task) -> None:
    rows = [Row("x/cat/a.png", "cat", "x"), Row("y/unheard/a.png", "unheard", "y")]
    examples, notes = mapped(pets, rows, domains={"x": "sketch"})
    assert [example.domain for example in examples] == ["sketch"]
    assert notes == ["left out as the settings say: 1 image of domain 'y'"]


def test_a_list_of_domains_selects(pets: Task) -> None:
    rows = [Row("a.png", "cat", "photo"), Row("b.png", "cat", "sketch")]
    assert [example.domain for example in mapped(pets, rows, domains=["sketch"])[0]] == ["sketch"]


def test_a_nameless_domain_is_the_setting_or_the_folder_or_the_only_one(pets: Task) -> None:
    row = Row("a.png", "cat")
    assert mapped(pets, [row])[0][0].domain == "photo"
    assert mapped(pets, [row], domain="sketch")[0][0].domain == "sketch"
    assert mapped(pets, [row], domains={"photo": "sketch"})[0][0].domain == "sketch"
    single = pets.model_copy(update={"domains": ("all",)})
    assert mapped(single, [row])[0][0].domain == "all"


@pytest.mark.parametrize(
    ("rule", "group"),
    [("file", "photo/tom-3.png"), ("stem", "tom-3"), ("([a-z]+)-[0-9]+", "tom"), ("^(.*?)/", "photo")],
)
def test_groups_are_files_stems_or_what_an_expression_finds(pets: Task, rule: str, group: str) -> None:
    assert mapped(pets, [Row("photo/tom-3.png", "cat")], group=rule)[0][0].group == group


def test_a_stated_group_wins(pets: Task) -> None:
    assert mapped(pets, [Row("a.png", "cat", group="tom")], group="stem")[0][0].group == "tom"


@pytest.mark.parametrize(
    ("rows", "settings", "sentence"),
    [
        (
            [Row("a.png", "cot"), Row("b.png", "mouse")],
            {},
            "no class of task 'pets': 'cot', 'mouse'; map each",
        ),
        ([Row("a.png", "cot")], {}, "the classes are 'cat', 'dog'"),
        ([Row("a.png", "cot")], {"labels": {"cot": "cap"}}, "labels maps 'cot' to 'cap', which is no class"),
        (
            [Row("a.png", "cat;dog")],
            {},
            "the label 'cat;dog' in '/data/photo' names several classes for one image",
        ),
        ([Row("a.png", "cat, mouse")], {}, "names several classes"),
        ([Row("a.png", "dog|cat")], {}, "names several classes"),
        ([Row("a.png", "cat", "oil")], {}, "'oil' in '/data/photo' is no domain of task 'pets'"),
        ([Row("a.png", "cat")], {"domain": "oil"}, "whose domains are 'photo', 'sketch'"),
        (
            [Row("a.png", "cat", "photo")],
            {"domains": ["sketch"]},
            "domains names 'sketch', which '/data/photo' does not",
        ),
        ([Row("a.png", "cat", "photo")], {"domain": "sketch"}, "names domains itself ('photo'); remove it"),
        (
            [Row("a.png", "cat")],
            {"group": "([0-9]+)"},
            "the group expression '([0-9]+)' finds no group in 'a.png'",
        ),
        (
            [Row("a.png", "cat", group="tom", split="train"), Row("b.png", "cat", group="tom", split="test")],
            {},
            "the group 'tom' has 'train' and 'test'",
        ),
        (
            [Row("a.png", "cat", group="tom", split="test"), Row("b.png", "cat", group="tom")],
            {},
            "the group 'tom' has 'test' and no split",
        ),
    ],
)
def test_what_the_task_does_not_know_is_refused_by_name(
    pets: Task, rows: list[Row], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        mapped(pets, rows, **settings)
    assert sentence in str(refusal.value)


def test_a_class_may_contain_a_comma(pets: Task) -> None:
    task = pets.model_copy(update={"classes": ("cat, tabby", "dog")})
    assert mapped(task, [Row("a.png", "cat, tabby")])[0][0].label == 0


@pytest.mark.parametrize(
    ("group", "sentence"),
    [("stems", "'stems' has 0 groups"), ("(a)(b)", "has 2 groups"), ("(", "is not a regular expression")],
)
def test_a_group_setting_must_be_an_expression_with_one_group(group: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        DataSettings(path=FOLDER, group=group)


def test_a_secret_is_read_without_its_line_end_and_must_be_long(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    settings = DataSettings(path=FOLDER, fingerprint_secret_file=path)
    with pytest.raises(Refusal, match="cannot be read"):
        settings.secret()
    path.write_bytes(b"short\n")
    with pytest.raises(Refusal, match="has only 5 bytes"):
        settings.secret()
    path.write_bytes(b"sixteen bytes ok\r\n")
    assert settings.secret() == b"sixteen bytes ok"
    assert DataSettings(path=FOLDER).secret() is None
