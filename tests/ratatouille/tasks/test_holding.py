import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratatouille.errors import Refusal
from ratatouille.tasks import Holding, SplitRule, Task
from ratatouille.tasks.holding import TRIALS, ImageLine, fingerprint, holding_of
from ratatouille.tasks.task import split_of

words = st.text(max_size=6)
lines = st.lists(st.builds(ImageLine, words, words, words, st.sampled_from(["", "train", "test"]), words), max_size=8)


def line(group: str, label: str = "cat", domain: str = "photo", split: str = "") -> ImageLine:
    return ImageLine(domain, label, group, split, "0" * 64)


def test_a_known_holding_has_a_known_fingerprint() -> None:
    assert fingerprint([line("rex"), line("tom")], b"key") == (
        "51f0c3d8c46a940d65d2e45d267571b194c552afade7aa603f0153d22f01997d"
    )


@settings(deadline=None)
@given(lines, st.data())
def test_the_order_of_lines_does_not_matter(some: list[ImageLine], data: st.DataObject) -> None:
    assert fingerprint(data.draw(st.permutations(some)), b"key") == fingerprint(some, b"key")


@settings(deadline=None)
@given(lines.filter(bool), st.data())
def test_any_changed_field_changes_the_fingerprint(some: list[ImageLine], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(some) - 1))
    field = data.draw(st.sampled_from(ImageLine._fields))
    changed = list(some)
    changed[place] = some[place]._replace(**{field: getattr(some[place], field) + "x"})
    assert fingerprint(changed, b"key") != fingerprint(some, b"key")
    assert fingerprint([*some, some[0]], b"key") != fingerprint(some, b"key")


def test_fields_do_not_run_into_each_other() -> None:
    assert fingerprint([ImageLine("a", "b\nc", "d", "", "")], b"k") != fingerprint(
        [ImageLine("a", "b", "c\nd", "", "")], b"k"
    )


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


def test_a_domain_without_a_side_of_the_split_says_which_one_it_lacks(pets: Task) -> None:
    holding = holding_of(pets, [line("a", split="train"), line("b", split="validation", domain="sketch")])
    assert (holding.lack("photo"), holding.lack("sketch")) == ("validation", "training")
    assert holding.trials == {}  # the counts say it already
    assert b"trials" not in holding.to_json()


def test_a_small_domain_says_how_many_trials_leave_an_image_on_both_sides(pets: Task) -> None:
    names = [f"k{number}" for number in range(6)]
    holding = holding_of(pets, [line(name) for name in names])
    sides = [{split_of(pets.name, name, pets.split, trial) for name in names} for trial in range(TRIALS)]
    first = next(trial for trial, some in enumerate(sides) if len(some) < 2)
    assert first == 9  # trial 0 has both, by the choice of the names
    assert holding.trials == {"photo": first}
    assert [holding.lack("photo", last) for last in (0, first - 1, first, 10**6)] == [None, None, "trial", "trial"]
    assert Holding.from_json(holding.to_json()) == holding


def test_a_large_domain_and_one_whose_split_is_stated_publish_nothing_about_trials(pets: Task) -> None:
    large = holding_of(pets, [line(f"g{number}") for number in range(400)])
    stated = holding_of(pets, [line("a", split="train"), line("b", split="validation")])
    for holding in (large, stated):
        assert holding.trials == {}
        assert holding.lack("photo", 10**6) is None


def test_a_holding_of_an_older_release_is_read_as_it_was(pets: Task) -> None:
    old = holding_of(pets, [line("a", split="train"), line("b", split="validation")]).to_json()
    assert Holding.from_json(old).to_json() == old
    assert Holding.from_json(old).lack("photo", 5) is None


def test_no_count_can_be_about_more_images_than_are_held(pets: Task) -> None:
    holding = holding_of(pets, [line(f"g{number}") for number in range(400)])
    assert holding.most("photo", "all") == 400
    assert holding.most("photo", "validation") == holding.total("photo", "validation") < 400
    assert holding.most("photo", "validation", trial=3) == 400  # reshuffled: only the total is known
    assert holding.most("sketch", "all") == 0
