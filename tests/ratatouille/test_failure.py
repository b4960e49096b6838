"""Failures: a closed list, nothing of anybody's words, and every code that is raised is in the list."""

import ast
import errno
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratatouille.errors import Refusal, Unreachable
from ratatouille.failure import KINDS, UNREADABLE, Failure, failure_of, parsed

ROOT = Path(__file__).parents[2]
PACKAGES = ("ratatouille", "contributor_client", "coordinator", "registry")
SECRET = "/home/anna/patients/smith-j.png"


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_whatever_is_sent_nothing_but_a_code_of_the_list_and_numbers_is_kept(sent: str | bytes) -> None:
    kept = parsed(sent)
    assert kept.code in KINDS
    assert all(isinstance(count, int) for count in kept.counts.values())


@pytest.mark.parametrize(
    "sent",
    [
        f'{{"code":"{SECRET}"}}',
        f'{{"code":"image-damaged","reason":"{SECRET}"}}',
        f'{{"code":"image-damaged","counts":{{"images":"{SECRET}"}}}}',
        f'{{"code":"image-damaged","counts":{{"{SECRET}":1}}}}',
        '{"code":"image-damaged","counts":{"pixels":1}}',
        '{"code":"image-damaged","counts":{"images":-1}}',
        '{"code":"image-damaged","counts":{"images":9007199254740992}}',
        "the image is damaged",
        '"' + "x" * 3000 + '"',
    ],
)
def test_what_is_not_of_the_list_is_unreadable(sent: str) -> None:
    assert parsed(sent) == UNREADABLE


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_failure_travels_as_it_is_and_has_a_sentence_without_names(code: str) -> None:
    failure = Failure(code=code, counts=dict.fromkeys(KINDS[code].parameters, 3))
    assert parsed(failure.to_json()) == failure
    assert re.fullmatch(r"[A-Za-z0-9 ,;()'-]+", failure.sentence())


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (Refusal(f"'{SECRET}' is bad"), Failure(code="refused")),
        (Refusal(SECRET, code="image-damaged", images=3), Failure(code="image-damaged", counts={"images": 3})),
        (Refusal(SECRET, code="no such code"), Failure(code="refused")),
        (Refusal(SECRET, code="image-damaged", pixels=3), Failure(code="refused")),
        (Unreachable(f"no registry answers at {SECRET}"), Failure(code="registry-unreachable")),
        (OSError(errno.ENOSPC, "No space left", SECRET), Failure(code="disk-full")),
        (OSError(errno.EIO, "Input/output error", SECRET), Failure(code="unexpected")),
        (MemoryError(), Failure(code="memory-short")),
        (RuntimeError(f"CUDA error: {SECRET}"), Failure(code="device-failed")),
        (KeyError(SECRET), Failure(code="unexpected")),
    ],
)
def test_of_an_error_only_its_code_and_its_counts_leave(error: BaseException, failure: Failure) -> None:
    assert failure_of(error) == failure


def test_a_failure_between_releases_names_the_upgrade_command() -> None:
    remedy = "; upgrade the older side with 'pip install --upgrade model-ratatouille'"
    assert Failure(code="foreign-bundle").sentence().endswith(f"and this run is another{remedy}")
    told = Failure(code="other-release", counts={"number": 3}).sentence()
    assert told == f"the order asks for another release of the software (number 3){remedy}"


def test_names_in_a_sentence_are_the_readers_own() -> None:
    failure = Failure(code="class-missing", counts={"label": 1, "domain": 0, "classes": 2})
    assert failure.sentence() == "a domain of the data lacks a class (class 1, domain 0, 2 classes)"
    assert (
        failure.sentence("square", "day") == "a domain of the data lacks a class (class square, domain day, 2 classes)"
    )


def _codes() -> list[tuple[str, str, tuple[str, ...]]]:
    """Each `Refusal(…, code="…", …)` in the sources: where it is, its code and what it counts."""
    found = []
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for call in ast.walk(ast.parse(file.read_text())):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("Refusal", "Unreachable"):
                    given = {word.arg: word.value for word in call.keywords}
                    code = given.pop("code", None)
                    if isinstance(code, ast.Constant):
                        where = f"{file.relative_to(ROOT)}:{call.lineno}"
                        found.append((where, str(code.value), tuple(str(name) for name in given)))
    return found


def test_every_code_that_is_raised_is_in_the_list_with_what_it_counts() -> None:
    raised = _codes()
    assert len(raised) > 40
    assert [(where, code) for where, code, counts in raised if code not in KINDS] == []
    assert [one for one in raised if not set(one[2]) <= set(KINDS[one[1]].parameters)] == []


def test_every_refusal_of_data_reading_has_a_code_of_its_own() -> None:
    """What is raised while a node reads its data says more than `refused`."""
    names = ("data", "folder", "formats", "images", "inspection", "manifest", "sentences", "source")
    plain = [
        f"{name}.py:{call.lineno}"
        for name in names
        for call in ast.walk(ast.parse((ROOT / "ratatouille" / "tasks" / f"{name}.py").read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Refusal"
        if not any(word.arg == "code" for word in call.keywords)
    ]
    assert len(plain) <= 1, plain  # the one about a domain that the caller's own code names wrongly
