"""Words of sentences: numbers with their nouns, and enumerations."""

from ratatouille.wording import enumerated, number_of


def test_one_thing_is_singular_and_every_other_number_plural() -> None:
    assert [number_of(number, "domain") for number in (0, 1, 2)] == ["0 domains", "1 domain", "2 domains"]
    assert [number_of(number, "class is", "classes are") for number in (1, 3)] == ["1 class is", "3 classes are"]


def test_an_enumeration_says_how_many_it_leaves_out() -> None:
    assert enumerated(["a", "b"], 2) == "a, b"
    assert enumerated(["a", "b", "c", "d"], 2) == "a, b and 2 more"
