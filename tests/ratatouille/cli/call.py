"""Calls the command line in this process, as a shell would: words in; exit code, output and errors out."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate

from docs.outputs import refusal
from docs.outputs import schema as schema_of
from ratatouille.cli.documents import DOCUMENTS

with warnings.catch_warnings():
    # typer imports names that newer click deprecates: warnings are errors for our own code only.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ratatouille.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own."""
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RATATOUILLE_REMOTE", raising=False)
    return tmp_path / "home"


@dataclass(frozen=True)
class Called:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output; what the command says to people would break it."""
        assert self.code in (0, 1), self.err
        return json.loads(self.out)

    def refused(self, *words: str) -> None:
        """Assert that it ended in one sentence that has these words."""
        assert (self.code, self.out) == (2, ""), self
        assert self.err.startswith("error: "), self.err
        assert self.err.count("\n") == 1, self.err
        for word in words:
            assert word in self.err


def call(*words: object) -> Called:
    """`ratatouille WORDS…`; a traceback is a failure of the test."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["ratatouille", *map(str, words)]
    code: object = None
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    assert isinstance(code, int)
    called = Called(code, out.getvalue(), err.getvalue())
    if "--json" in (words[: words.index("--")] if "--" in words else words):
        fits_its_schema(list(map(str, words)), called)
    return called


def fits_its_schema(words: Sequence[str], called: Called) -> None:
    """Hold what a command printed with `--json` against its schema in docs/outputs."""
    named = [row for row in DOCUMENTS if row.split() == list(words[: len(row.split())])]
    if called.code not in (0, 1) or not named:
        texts, schema = [called.out], refusal()
    else:
        words_of = max(named, key=len)
        texts = called.out.splitlines() if DOCUMENTS[words_of].lines else [called.out]
        schema = schema_of(words_of)
    for text in texts:
        validate(json.loads(text), schema)


def loaded_by(*commands: Sequence[object]) -> set[str]:
    """Top-level names of the modules that a fresh process has after some commands."""
    return modules_after(f"""
import sys
from ratatouille.cli.main import main
for words in {[list(map(str, words)) for words in commands]!r}:
    sys.argv = ["ratatouille", *words]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, (words, end.code)
""")


def modules_after(script: str) -> set[str]:
    """Top-level names of the modules that a fresh process has after a script."""
    script += "\nimport sys; print('\\n', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())
