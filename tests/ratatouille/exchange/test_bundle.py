"""The bundle is constant, and Flower can read it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ratatouille.errors import UPGRADE
from ratatouille.exchange.bundle import (
    SENT,
    ForeignBundle,
    accepted_bundles,
    archive,
    build_bundle,
    bundle_hash,
    refuse_foreign_bundle,
)
from ratatouille.record import sha256

ROOT = Path(__file__).parents[3]


def test_the_bundle_has_the_hash_that_nodes_of_this_version_accept() -> None:
    assert bundle_hash() == sha256(build_bundle()) == "c3221b09b38b232a9d8be1520fc476f26cbf235d01c07ee52331042a0b28e701"
    assert accepted_bundles() == ("c3221b09b38b232a9d8be1520fc476f26cbf235d01c07ee52331042a0b28e701",)


def test_the_hash_of_each_release_is_what_it_sends() -> None:
    # Release 0.1 is computed from its own sources: commit d8a836a. A released hash never changes.
    assert SENT == {"0.1": "c3221b09b38b232a9d8be1520fc476f26cbf235d01c07ee52331042a0b28e701"}


def test_the_table_has_this_minor_release_and_the_one_before() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    major, minor = map(int, version.split(".")[:2])
    wanted = {f"{major}.{number}" for number in (minor - 1, minor) if number >= 0} - {"0.0"}
    assert wanted <= SENT.keys(), "see 'A release' in CONTRIBUTING.md"
    assert len(SENT) <= 2
    assert SENT[f"{major}.{minor}"] == bundle_hash(), "a changed bundle belongs to a new minor release"


def test_only_bundles_of_the_table_pass_and_the_refusal_names_the_upgrade_command() -> None:
    refuse_foreign_bundle(set(SENT.values()), accepted_bundles())
    with pytest.raises(ForeignBundle, match=f"refuses bundle bbbbbbbbbbbb….*; upgrade the older side: {UPGRADE}"):
        refuse_foreign_bundle({*SENT.values(), "b" * 64}, accepted_bundles())


def test_flower_reads_the_bundle_and_finds_our_two_apps_and_the_two_settings() -> None:
    # In a process of its own, because Flower's import warns of deprecated names.
    program = (
        "from flwr.common.config import get_fab_config as read, validate_config as check;"
        "from ratatouille.exchange.bundle import build_bundle;"
        "config = read(build_bundle()); app = config['tool']['flwr']['app'];"
        "print(check(config, check_module=False)[:2], app['components'], app['config'])"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    components = "{'serverapp': 'coordinator.app:app', 'clientapp': 'contributor_client.app:app'}"
    assert told == f"(True, []) {components} {{'round': '', 'registry': ''}}\n"


def test_an_archive_does_not_depend_on_the_order_of_its_files() -> None:
    files = {"pyproject.toml": b"[project]", "b.py": b"2", "a.py": b"1"}
    assert archive(files) == archive(dict(reversed(files.items())))
    assert archive(files) != archive({**files, "a.py": b"0"})
