"""Each module's docstring begins with a line that names the thing."""

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
