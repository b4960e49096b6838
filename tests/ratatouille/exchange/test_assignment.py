"""Questions of each revision of the method keep their ids."""

from __future__ import annotations

from ratatouille.exchange.assignment import Evaluate, parse_assignment
from ratatouille.exchange.dialect import METHOD_REVISION

QUESTION = (
    '{"architecture":"A","cells":[{"domain":"ink","slice":"all","split":"test"}],"featurizer":"B","fingerprint":"C",'
    '"format":1,"head":"D","image_size":8,"kind":"evaluate","numerics":"float32-deterministic-1-thread","repeat":0,'
    '"revision":REVISION,"task":"E","trial":0}'
)
for _number, _name in enumerate("ABCDE", 1):
    QUESTION = QUESTION.replace(f'"{_name}"', f'"{_number:064d}"')
KNOWN = {
    1: "2bf295960441b4187e8b427342961d6b1976e5fd86193496242b6e451d73ae5c",
    2: "2df22a06534ac467eae927dece39164136aac48e5d935982f5374c820842c964",
}


def test_a_question_of_each_revision_has_its_known_id_and_bytes() -> None:
    assert max(KNOWN) == METHOD_REVISION
    for revision, digest in KNOWN.items():
        text = QUESTION.replace("REVISION", str(revision))
        question = parse_assignment(text)
        assert question.to_json().decode() == text
        assert question.digest == digest


def test_a_new_question_is_one_of_this_revision() -> None:
    question = parse_assignment(QUESTION.replace('"revision":REVISION,', ""))
    assert isinstance(question, Evaluate)
    assert question.revision == METHOD_REVISION
    assert question.digest == KNOWN[METHOD_REVISION]


COMPARISON = (
    '{"architecture":"A","cells":[{"domain":"ink","slice":"all","split":"validation"}],"ensemble":false,'
    '"features":false,"fingerprint":"C","format":1,"image_size":8,"kind":"compare","networks":[{"featurizer":'
    '[{"coefficient":1,"part":"B"}],"head":[{"coefficient":1,"part":"D"}]}],"numerics":'
    '"float32-deterministic-1-thread","pairs":true,"repeat":0,"revision":2,"task":"E","trial":0}'
)
for _number, _name in enumerate("ABCDE", 1):
    COMPARISON = COMPARISON.replace(f'"{_name}"', f'"{_number:064d}"')


def test_a_comparison_that_reviews_no_version_keeps_its_id_and_bytes() -> None:
    question = parse_assignment(COMPARISON)
    assert question.to_json().decode() == COMPARISON
    assert question.digest == "51996e3ffbd402bc70a7768f05b331ae24353aef0f52aca519b85c7a5b3194be"


def test_a_comparison_about_a_version_is_another_question() -> None:
    question = parse_assignment(COMPARISON)
    about = question.model_copy(update={"about": "6" * 64})
    assert about.digest != question.digest
    assert parse_assignment(about.to_json()) == about
