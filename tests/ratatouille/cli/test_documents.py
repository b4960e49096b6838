from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs.cli import loaded
from docs.outputs import FOLDER, refusal, schema, written
from ratatouille.cli.documents import DOCUMENTS
from ratatouille.cli.table import COMMANDS
from tests.ratatouille.cli.call import call


def test_every_command_that_takes_json_has_a_document_and_no_other() -> None:
    taking = {" ".join(row.path) for row in COMMANDS if any("--json" in option.opts for option in loaded(row).params)}
    assert taking == set(DOCUMENTS)


def test_the_schemas_in_the_docs_are_those_of_the_code() -> None:
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == written()


@pytest.mark.parametrize("words", DOCUMENTS)
def test_a_schema_says_which_version_of_which_document_it_is(words: str) -> None:
    found = schema(words)
    assert found["$id"] == f"ratatouille:{words.replace(' ', '-')}:{DOCUMENTS[words].version}"
    assert {"properties", "anyOf", "items", "additionalProperties"} & found.keys()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("show", "nothing", "--json", "--remote", "./nowhere"), 2, "nowhere"),
        (("show", "--json"), 2, "REV"),
        (("log", "--json", "--limit", "many"), 2, "many"),
        (("check", "nothing.toml", "--json"), 2, "nothing.toml"),
        (("task", "add", "--json", "absent.toml"), 2, "absent.toml"),
    ],
)
def test_a_refusal_is_json_where_json_was_asked_for(words: tuple[str, ...], code: int, sentence: str) -> None:
    called = call(*words)
    assert (called.code, called.err) == (code, "")
    document = json.loads(called.out)
    assert document.keys() == {"error", "code"} == set(refusal()["required"])
    assert sentence in document["error"]
    assert document["code"] == code


def test_a_refusal_of_words_after_two_dashes_is_a_sentence() -> None:
    called = call("check", "--", "--json")
    assert (called.code, called.out) == (2, "")
    assert called.err.startswith("error: ")


def test_the_help_of_round_logs_says_that_it_prints_json_lines() -> None:
    assert "JSON lines: one document on each line" in call("round", "logs", "--help").out
    assert DOCUMENTS["round logs"].lines


def test_config_and_tables_fit_their_schemas(tmp_path: Path) -> None:
    call("remote", "add", "ours", "grpc://127.0.0.1:9290", "--default")
    assert call("remote", "list", "--json").json["default"] == "ours"
    assert call("config", "--json").json["remote in force"]["value"] == "grpc://127.0.0.1:9290"
    assert call("protocols", "--json").json
    assert call("recipes", "--json").json
