"""Somebody who hands over a file: whatever it holds, the answer is one sentence and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home

TASK = 'name = "x"\nkind = "target"\nclasses = ["a", "b"]\ndomains = ["day"]\n'
NODE = 'name = "anna"\n[[data]]\ntask = "x"\npath = "images"\n'
FILES = {
    "a domain that is a list": (NODE + 'domains = ["day", []]\n', "[] is no name of a domain"),
    "a domain that is a table": (NODE + 'domains = ["day", {a = 1}]\n', "is no name of a domain"),
    "a domain of a task that is a list": (TASK.replace('["day"]', '["day", []]'), "domains.1"),
    "deep arrays": (TASK + "x = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    "deep tables": (TASK + "x = " + "{a=" * 5000 + "1" + "}" * 5000, "nested too deeply"),
    "a long number": (TASK + "x = " + "9" * 5000, "is not valid TOML"),
    "a deep key": (TASK + ".".join("a" * 3000) + " = 1", "has no key 'a'"),
}


@pytest.mark.parametrize(("text", "said"), FILES.values(), ids=FILES)
def test_a_settings_file_that_is_made_to_hurt_gets_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text(text)
    call("check", file).refused(said)


def test_a_value_that_is_made_to_hurt_gets_a_sentence(tmp_path: Path) -> None:
    LocalRegistry(tmp_path).close()
    call("registry", "settings", "reserve_bytes", "[" * 100_000, "--folder", tmp_path).refused("is no number")
