"""A new node.toml: what is asked, what flags answer, and that the file opens the data that was read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from contributor_client.new_node import Answers, write_node_file
from ratatouille.errors import Refusal
from ratatouille.tasks.node import open_holdings, read_node_settings
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from ratatouille.tasks.task import Task

TASKS = list(synthetic_tasks().values())
SHAPES = synthetic_tasks()["shapes"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_synthetic("shapes", tmp_path / "images", size=16)
    return tmp_path / "images"


class Person:
    """Answers questions in their order, and remembers them."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, question: str, choices: Sequence[str] = ()) -> str:
        self.asked.append((question, tuple(choices)))
        return self.answers.pop(0)


def find(name: str) -> Task:
    return next(task for task in TASKS if task.name == name)


def test_flags_answer_everything_and_the_file_opens_the_same_data(images: Path, tmp_path: Path) -> None:
    path, cache = tmp_path / "node.toml", tmp_path / "cache"
    answers = Answers("anna", "grpcs://shared.example:8443", images, "shapes")
    data = write_node_file(path, answers, TASKS, cache, None)
    settings = read_node_settings(path)
    assert (settings.name, settings.remote) == ("anna", "grpcs://shared.example:8443")
    assert list(open_holdings(settings, find, cache)) == [data.holding.fingerprint]
    assert path.read_text().count("# Your labels, where they differ from the task's classes") == 1


def test_without_a_terminal_the_missing_flags_are_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="say --images and --task"):
        write_node_file(tmp_path / "node.toml", Answers("anna", "grpc://h:1"), TASKS, tmp_path, None)
    assert not (tmp_path / "node.toml").exists()


def test_a_person_is_asked_for_what_is_missing_and_again_after_a_wrong_answer(images: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    person = Person(str(tmp_path / "nowhere"), "", str(tmp_path / "empty"), "shapes", "", str(images), "shapes")
    data = write_node_file(tmp_path / "node.toml", Answers("anna", "grpc://h:1"), TASKS, tmp_path, person)
    assert data.task == SHAPES
    assert person.answers == []
    questions = [question for question, _ in person.asked]
    assert questions[1].startswith(f"there is no '{tmp_path / 'nowhere'}'")
    assert ("Which task do they belong to", tuple(task.name for task in TASKS)) in person.asked


def test_the_domain_is_asked_where_neither_folder_nor_task_says_it(images: Path, tmp_path: Path) -> None:
    (images / "day").rename(tmp_path / "my pictures")
    person = Person("day")
    answers = Answers("anna", "grpc://h:1", tmp_path / "my pictures", "shapes")
    data = write_node_file(tmp_path / "node.toml", answers, TASKS, tmp_path, person)
    assert data.holding.domains == ("day",)
    assert person.asked == [("Which domain are all these images", SHAPES.domains)]
    assert read_node_settings(tmp_path / "node.toml").data[0].domain == "day"


def test_missing_classes_are_a_question_and_not_an_end(images: Path, tmp_path: Path) -> None:
    gone = images / "day" / SHAPES.classes[0]
    for file in gone.iterdir():
        file.unlink()
    person = Person("yes")
    write_node_file(tmp_path / "node.toml", Answers("anna", "grpc://h:1", images, "shapes"), TASKS, tmp_path, person)
    assert read_node_settings(tmp_path / "node.toml").data[0].missing_classes == "allow"
    with pytest.raises(Refusal, match="has no image of"):
        write_node_file(tmp_path / "n.toml", Answers("a", "grpc://h:1", images, "shapes"), TASKS, tmp_path, None)


def test_an_unknown_task_is_answered_with_those_that_there_are(images: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="there is no task 'leaves'; the registry has "):
        write_node_file(tmp_path / "n.toml", Answers("a", "grpc://h:1", images, "leaves"), TASKS, tmp_path, None)


def test_labels_and_domains_that_the_task_calls_otherwise_are_asked_for_and_written(
    images: Path, tmp_path: Path
) -> None:
    (images / "day").rename(images / "noon")
    for domain in ("noon", "night", "sketch"):
        (images / domain / "disc").rename(images / domain / "my circle")
        (images / domain / "unsure").mkdir()
        next((images / domain / "square").iterdir()).rename(images / domain / "unsure" / "one.png")
    leave = "leave these images out"
    person = Person("day", "disc", leave)
    data = write_node_file(
        tmp_path / "node.toml", Answers("anna", "grpc://h:1", images, "shapes"), TASKS, tmp_path, person
    )
    assert person.answers == []
    assert person.asked[0][0].startswith("task shapes has no domain 'noon' (")
    assert person.asked[1] == (person.asked[1][0], (*SHAPES.classes, leave))
    settings = read_node_settings(tmp_path / "node.toml")
    assert settings.data[0].labels == {"my circle": "disc", "unsure": "-"}
    assert settings.data[0].domains == {"noon": "day", "night": "night", "sketch": "sketch"}
    assert list(open_holdings(settings, find, tmp_path / "cache")) == [data.holding.fingerprint]


def test_without_a_terminal_a_label_of_ones_own_is_refused_with_the_flag_that_maps_it(
    images: Path, tmp_path: Path
) -> None:
    for domain in images.iterdir():
        (domain / "disc").rename(domain / "circle")
    answers = Answers("anna", "grpc://h:1", images, "shapes")
    with pytest.raises(Refusal, match=r"'circle'.*say --label LABEL=CLASS, or write one by `ratatouille init node`"):
        write_node_file(tmp_path / "n.toml", answers, TASKS, tmp_path, None)
    mapped = Answers("anna", "grpc://h:1", images, "shapes", labels={"circle": "disc"})
    write_node_file(tmp_path / "n.toml", mapped, TASKS, tmp_path, None)
    assert read_node_settings(tmp_path / "n.toml").data[0].labels == {"circle": "disc"}


def test_a_mistyped_domain_is_answered_with_the_one_that_is_meant(images: Path, tmp_path: Path) -> None:
    answers = Answers("anna", "grpc://h:1", images / "day", "shapes", domain="dya")
    with pytest.raises(Refusal, match=r"'dya' is no domain of task 'shapes', .*; did you mean 'day'"):
        write_node_file(tmp_path / "n.toml", answers, TASKS, tmp_path, None)
