from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from registry.opening import open_registry
from registry.services.local import LocalRegistry


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:80", "grpc://", "grpc://host", "grpc://host:99999", "grpc://h:1/x", ""]
)
def test_what_is_no_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"is no registry|is no address"):
        open_registry(url, cache=tmp_path)


def test_a_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    for url in (
        str(tmp_path / "plain"),
        f"file:{tmp_path}/with%20space",
        f"file://{tmp_path}/slashes",
        tmp_path / "path",
    ):
        registry = open_registry(url)
        assert isinstance(registry, LocalRegistry)
        assert registry.folder.stat().st_mode & 0o077 == 0
        registry.close()
    assert (tmp_path / "with space").is_dir()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Refusal, match=r"the registry folder .* cannot be used"):
        open_registry(tmp_path / "file")


@pytest.mark.parametrize("target", ["gone/registry.toml", "registry.toml"])
def test_settings_that_are_a_link_to_nowhere_make_no_other_database(tmp_path: Path, target: str) -> None:
    (tmp_path / "registry.toml").symlink_to(target)
    with pytest.raises(Refusal, match=r"registry file .*registry\.toml"):
        open_registry(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["registry.toml"]


def test_a_remote_registry_loads_no_database(tmp_path: Path) -> None:
    code = (
        "import sys, registry.commands.log; from pathlib import Path; from registry.opening import open_registry;"
        "open_registry('grpc://127.0.0.1:1', cache=Path(sys.argv[1]));"
        "heavy = ('sqlalchemy', 'alembic', 'torch', 'flwr', 'obstore', 'numpy');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
