import ast
from pathlib import Path

import pytest

from ratatouille.errors import Misconfigured, RatatouilleError, Refusal, Unavailable, Unreachable

ROOT = Path(__file__).parents[2]
PACKAGES = ("ratatouille", "coordinator", "contributor_client", "registry", "benchmarks")
KINDS = ("RatatouilleError", "Refusal", "Unavailable", "Unreachable", "Misconfigured")


@pytest.mark.parametrize("outage", [Unavailable, Unreachable, Misconfigured])
def test_a_handler_of_refusals_does_not_catch_an_outage(outage: type[RatatouilleError]) -> None:
    assert issubclass(outage, RatatouilleError)
    assert not issubclass(outage, Refusal)


@pytest.mark.parametrize("kind", [Refusal, Unreachable, Misconfigured])
def test_the_base_catches_all_of_them_with_code_and_counts(kind: type[RatatouilleError]) -> None:
    with pytest.raises(RatatouilleError, match="three images") as caught:
        raise kind("three images are damaged", code="image-damaged", images=3)
    assert (caught.value.code, caught.value.counts) == ("image-damaged", {"images": 3})


def test_the_code_says_which_side_is_at_fault_where_nothing_else_is_said() -> None:
    assert [kind().code for kind in (Refusal, Unreachable, Misconfigured)] == [
        "refused",
        "registry-unreachable",
        "registry-unreachable",
    ]


def test_no_handler_is_there_only_to_let_an_error_pass_on() -> None:
    guards = [
        f"{file.relative_to(ROOT)}:{handler.lineno}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Try)
        for handler in node.handlers
        if isinstance(handler.type, ast.Name) and handler.type.id in KINDS
        if len(handler.body) == 1 and isinstance(handler.body[0], ast.Raise) and handler.body[0].exc is None
    ]
    assert guards == []
