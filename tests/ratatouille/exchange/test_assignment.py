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
