"""Modules: a first line that names the thing, and no more than one idea."""

import re

from docs.rooms import first_line
from tests.docs.pages import ROOT, sources

PARAPHRASE = re.compile(r"(What|Whatever|Whether|Which|Who|Whoever|Whose|Why|How|Where|When)\b")
"""A line that begins so describes the thing instead of naming it."""


def test_every_module_outside_the_tests_has_a_first_line_that_names_the_thing() -> None:
    for path in sources():
        where = str(path.relative_to(ROOT))
        if where.startswith("tests/") or where.endswith("_pb2.py"):
            continue
        line = first_line(path)
        assert line.count(" ") >= 2, where
        assert line[-1] in ".:?!)", where
        assert not PARAPHRASE.match(line), where


def test_no_module_of_the_product_is_longer_than_one_idea() -> None:
    """The tables of a database are one list, however long, and a migration is what it is."""
    exempt = {"registry/schema.py"}
    for path in sources():
        where = path.relative_to(ROOT)
        if where.parts[0] in ("tests", "docs", "benchmarks") or "versions" in where.parts or str(where) in exempt:
            continue
        assert len(path.read_text().splitlines()) <= 300, f"{where}: split it by its ideas"
