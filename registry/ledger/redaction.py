"""Redaction of nodes' failures: a sentence is made from the code, and of older rows nothing that may name files.

Version 0.1 stored the words of nodes, with paths of their owners' files. Those rows stay as they are, since the log is
never rewritten, and are read through here: no command, page or client sees what a node's owner did not mean to publish.
"""

from __future__ import annotations

import re

from ratatouille.errors import Refusal
from ratatouille.exchange.order import Failed
from ratatouille.failure import KINDS

HIDDEN = "…"
"""What stands in the place of a name that is not shown."""

_OF_A_NODE = re.compile(r"(^|: )node [0-9a-f]{12}( cannot do its work)?: ")
"""How version 0.1 began what a node had said."""
_CODE = re.compile(r"\[([a-z-]+)\]$")
"""How sentences end that are made from a code."""
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)
_PATHS = re.compile(r"\S*[/\\].*[/\\]\S*|\S*[/\\]\S*", re.DOTALL)
_FILE = re.compile(r"\S+\.[A-Za-z]\w{1,4}\b")
_PATH = re.compile(r"(?:^|[\s'\"(=:])(?:~|[A-Za-z]:)?[/\\]\S|[^\W\d]/[^\W\d]|\\\\")
"""What makes a text look as if it named a file."""


def failure_line(text: str) -> str:
    """The line of an event about a failure."""
    try:
        return Failed.from_json(text).sentence
    except Refusal:
        return redacted(text)


def redacted_reason(text: str) -> str:
    """The reason of a round, or a line that tells it.

    It is redacted where a node of version 0.1 said it, or where it seems to name a file.
    """
    if (found := _CODE.search(text)) and found[1] in KINDS:
        return text
    return redacted(text) if _OF_A_NODE.search(text) or _PATH.search(text) else text


def redacted(text: str) -> str:
    """A text without quoted names, paths and names of files: from the first to the last of each kind, as one."""
    for pattern in (_QUOTED, _PATHS, _FILE):
        text = pattern.sub(HIDDEN, text)
    return text
