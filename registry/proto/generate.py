"""Writes the Python of `registry.proto`: `python -m registry.proto.generate` (needs grpcio-tools; a test compares)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
GENERATED = ("registry_pb2.py", "registry_pb2.pyi")


def generate(target: Path) -> None:
    """Write the generated files into `target/registry/proto`."""
    source = HERE.parent.parent
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{source}",
        f"--python_out={target}",
        f"--pyi_out={target}",
    ]
    subprocess.run([*command, "registry/proto/registry.proto"], check=True, cwd=source)  # noqa: S603
    types = target / "registry" / "proto" / "registry_pb2.pyi"
    types.write_text("# mypy: disable-error-code=type-arg\n" + types.read_text())


def main() -> None:
    """Replace the committed files."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        for name in GENERATED:
            shutil.copy(Path(folder) / "registry" / "proto" / name, HERE / name)


if __name__ == "__main__":
    main()
