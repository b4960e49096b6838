import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratatouille.errors import Refusal
from ratatouille.tasks import Holding, SplitRule, Task
from ratatouille.tasks.holding import Line, fingerprint, holding_of

words = st.text(max_size=6)
lines = st.lists(st.builds(Line, words, words, words, st.sampled_from(["", "train", "test"]), words), max_size=8)


def line(group: str, label: str = "cat", domain: str = "photo", split: str = "") -> Line:
    return Line(domain, label, group, split, "0" * 64)


def test_a_known_holding_has_a_known_fingerprint() -> None:
    assert fingerprint([line("rex"), line("tom")], b"key") == (
        "51f0c3d8c46a940d65d2e45d267571b194c552afade7aa603f0153d22f01997d"
    )


@settings(deadline=None)
@given(lines, st.data())
def test_the_order_of_lines_does_not_matter(some: list[Line], data: st.DataObject) -> None:
    assert fingerprint(data.draw(st.permutations(some)), b"key") == fingerprint(some, b"key")


@settings(deadline=None)
@given(lines.filter(bool), st.data())
def test_any_changed_field_changes_the_fingerprint(some: list[Line], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(some) - 1))
    field = data.draw(st.sampled_from(Line._fields))
    changed = list(some)
    changed[place] = some[place]._replace(**{field: getattr(some[place], field) + "x"})
    assert fingerprint(changed, b"key") != fingerprint(some, b"key")
    assert fingerprint([*some, some[0]], b"key") != fingerprint(some, b"key")


def test_fields_do_not_run_into_each_other() -> None:
    assert fingerprint([Line("a", "b\nc", "d", "", "")], b"k") != fingerprint([Line("a", "b", "c\nd", "", "")], b"k")


def test_a_secret_or_another_task_gives_another_fingerprint(pets: Task) -> None:
    other = pets.model_copy(update={"name": "animals"})
    prints = {holding_of(task, [line("rex")], key).fingerprint for task in (pets, other) for key in (None, b"s" * 16)}
    assert len(prints) == 3  # with a secret the task does not matter, and the record names it anyway


def test_counts_follow_split_and_class(pets: Task) -> None:
    task = pets.model_copy(update={"split": SplitRule(train=0.5, validation=0.5)})
    rows = [
        line("rex", "dog"),
        line("rex", "dog"),
        line("tom", split="test"),
        line("tom", domain="sketch", split="test"),
    ]
    holding = holding_of(task, rows)
    assert holding.counts == {
        "photo": {"train": (0, 0), "validation": (0, 2), "test": (1, 0)},
        "sketch": {"train": (0, 0), "validation": (0, 0), "test": (1, 0)},
    }
    assert holding.domains == ("photo", "sketch")
    assert (holding.total(), holding.total("photo"), holding.total(split="test")) == (4, 3, 2)
    assert Holding.from_json(holding.to_json()) == holding


def test_a_holding_from_outside_must_count_one_set_of_classes(pets: Task) -> None:
    text = holding_of(pets, [line("rex")]).to_json().replace(b'"test":[0,0]', b'"test":[0]')
    with pytest.raises(Refusal, match="every split must count the same classes"):
        Holding.from_json(text)
    with pytest.raises(Refusal, match="greater than or equal to 0"):
        Holding.from_json(text.replace(b'"test":[0]', b'"test":[-1,0]'))
