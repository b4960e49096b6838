"""The model card says what is known, and other people's words in it stay words."""

from __future__ import annotations

import re

import pytest

from ratatouille.exchange.version import Combination, Parent
from registry.exports.folders.card import MOST_ROWS, CardFacts, card, escaped
from registry.exports.folders.pulled import Statement
from registry.presentation.lineage import origins
from registry.presentation.scores import score_lines
from registry.records import Contribution
from tests.registry.commands.conftest import make_world
from tests.registry.world import NETWORK, PETS


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> CardFacts:
    """The average of two trainings, counted on sketches."""
    world = make_world(tmp_path_factory.mktemp("card"))
    start = world.probed()
    runs = [world.tuned(start, seed) for seed in (1, 2)]
    average = world.registry.work.combine(Combination(parents=tuple(Parent(version=str(run.version)) for run in runs)))
    world.work(world.evaluation(average), {})
    world.maintainer.release(str(average.version), "stable")
    details = world.registry.versions.show("stable")
    statement = Statement(
        layout="timm",
        version=details.entry.version,
        architecture=NETWORK,
        task=PETS,
        receipt=None,
        image_size=8,
        entered=details.entry.created,
        pulled=details.entry.created,
        registry="grpc://127.0.0.1:9290",
    )
    lineage = world.registry.versions.lineage("stable")
    return CardFacts(
        name="pets",
        statement=statement,
        entry=details.entry,
        members=world.registry.versions.contributions("stable"),
        origins=origins(lineage),
        scores=score_lines(details.evaluations),
    )


def changed(facts: CardFacts, **changes: object) -> CardFacts:
    return CardFacts(**{**vars(facts), **changes})


def test_it_names_contributions_with_shares_counts_with_margins_and_digests(facts: CardFacts) -> None:
    text = card(facts)
    for one in facts.members:
        assert f"| 50 % | `{one.entry.id[:10]}` | fine_tune | pets |" in text
    assert "the sea" in text
    assert "| pets | sketch | test | all | 87.5 ± 24.6 | 87.5 | 8 |" in text
    for digest in (facts.entry.id, str(facts.statement.version.featurizer), str(facts.statement.version.head)):
        assert f"`{digest}`" in text
    assert "released as stable" in text
    assert "from `grpc://127.0.0.1:9290`" in text
    assert "0. cat\n1. dog\n" in text


def test_its_head_is_that_of_a_hub_and_leaves_the_licence_to_the_maintainers(facts: CardFacts) -> None:
    _, head, _ = card(facts).split("---\n", 2)
    assert "library_name: timm\npipeline_tag: image-classification\n# license: to be filled in" in head
    assert not re.search(r"^license:", head, re.MULTILINE)


def test_a_featurizer_alone_has_other_words(facts: CardFacts) -> None:
    version = facts.statement.version.model_copy(update={"head": None, "task": None})
    statement = facts.statement.model_copy(update={"version": version, "task": None})
    text = card(changed(facts, statement=statement, scores=[]))
    assert "pipeline_tag: image-feature-extraction" in text
    assert "no task: a featurizer alone" in text
    assert "## Classes" not in text
    assert "None was made yet." in text


HOSTILE = "<script>alert(1)</script> | `x` [here](https://evil.example) ![i](x) **b** _u_ # --- \x1b[2J"


def test_other_peoples_words_become_no_markup(facts: CardFacts) -> None:
    task = PETS.model_copy(update={"classes": ("cat", HOSTILE), "description": HOSTILE})
    entry = facts.members[0].entry.model_copy(update={"contributor": HOSTILE, "message": f"{HOSTILE}\n---\n# no"})
    text = card(
        changed(
            facts,
            statement=facts.statement.model_copy(update={"task": task}),
            members=[Contribution(entry=entry, share=1.0, exact="1")],
            origins=[entry],
        )
    )
    assert "\x1b" not in text
    assert not re.search(r"(?<!\\)<script", text)
    assert not re.search(r"(?<!\\)\[here", text)
    assert "\n# no" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("| 100 %")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 6


def test_a_long_list_is_cut_and_says_so(facts: CardFacts) -> None:
    many = [facts.members[0]] * (MOST_ROWS + 7)
    assert "… and 7 more." in card(changed(facts, members=many))


def test_words_are_kept_on_one_line() -> None:
    assert escaped("  two\nlines \t here") == "two lines here"
    assert escaped("- no list") == r"\- no list"
    assert escaped("light-brown 3.5") == "light-brown 3.5"
