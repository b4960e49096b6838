from __future__ import annotations

from registry.commands.lineage import dot_of
from registry.records import LineageRow
from tests.registry.commands.test_graph import entry


def test_words_of_others_cannot_leave_their_label() -> None:
    strange = entry(1).model_copy(update={"task_name": 'a"]; evil [label="b\\', "contributor": "c\nd\x1b"})
    dot = dot_of([LineageRow(entry=strange, depth=0, through=None, coefficient=None)])
    (line,) = [line for line in dot.splitlines() if "fine_tune" in line]
    assert line.endswith(r'fine_tune\na\"]; evil [label=\"b\\"];')
