"""What the executor promises a node's owner; how it works with real Flower is tests/coordinator/test_work_lane.py."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():
    # Flower imports typer, which uses names that newer click deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ratatouille.exchange.bundle import ForeignBundle, refuse_foreign_bundle

ROOT = Path(__file__).parents[2]


def test_the_executor_imports_no_torch() -> None:
    program = (
        "import contributor_client.executor, sys; print([m for m in ('torch', 'timm', 'ray') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_a_bundle_passes_only_when_every_hash_is_accepted() -> None:
    ours, foreign = "a" * 64, "b" * 64
    refuse_foreign_bundle({ours}, {ours})
    with pytest.raises(
        ForeignBundle, match="refuses bundle bbbbbbbbbbbb…; it accepts aaaaaaaaaaaa…; upgrade the older side: pip"
    ):
        refuse_foreign_bundle({ours, foreign}, {ours})
    with pytest.raises(ForeignBundle):
        refuse_foreign_bundle({ours}, set())
