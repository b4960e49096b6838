from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ratatouille.errors import Misconfigured, Refusal
from ratatouille.record import sha256
from registry.blobs.folder import FolderStore
from registry.blobs.opening import open_store
from tests.registry.s3 import Weed


def test_a_folder_is_named_from_the_root(tmp_path: Path) -> None:
    for url in (str(tmp_path / "a"), f"file:{tmp_path}/with%20space", f"file://{tmp_path}/slashes"):
        assert isinstance(open_store(url), FolderStore)
    assert (tmp_path / "with space").is_dir()
    with pytest.raises(Refusal, match="must be named from the root"):
        open_store("weights")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Refusal, match="cannot be used"):
        open_store(str(tmp_path / "file"))


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIDEXAMPLE:topsecret@bucket/prefix",
        "s3://AKIDEXAMPLE:top/secret@bucket/prefix",
        "s3://bucket/prefix?aws_secret_access_key=topsecret",
        "s3://bucket/prefix#topsecret",
        "s3://bucket/topsecret/../x",
        "s3://bucket/topsecret x",
        "s3://",
        "s3:///topsecret",
        "memory://name/topsecret",
        "https://topsecret",
        "ftp://bucket/prefix",
    ],
)
def test_what_is_no_address_or_has_secrets_in_it_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Refusal, match="must be a folder or like s3://bucket/prefix") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
    assert "AKID" not in str(caught.value)


def test_a_memory_store_is_the_same_one_when_it_is_opened_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    open_store(f"memory://{tmp_path.name}").put(tmp_path / "file", sha256(b"x"))
    assert open_store(f"memory://{tmp_path.name}").size(sha256(b"x")) == 1
    assert open_store(f"memory://{tmp_path.name}-other").size(sha256(b"x")) is None


def test_an_endpoint_without_encryption_is_for_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint in ("http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000", "https://s3.example.org"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        assert open_store("s3://bucket/prefix").name == "s3://bucket/prefix"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:topsecret@s3.example.org:9000")
    with pytest.raises(Refusal, match=r"the endpoint s3\.example\.org would get weights without encryption") as caught:
        open_store("s3://bucket/prefix")
    assert "topsecret" not in str(caught.value)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    open_store("s3://bucket/prefix")


def test_a_bucket_that_is_not_there_and_wrong_credentials_do_not_pass_the_check(
    s3: Weed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Misconfigured, match="there is no such bucket"):
        open_store("s3://nowhere/prefix").check()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(Misconfigured, match=r"refuses our requests \(SignatureDoesNotMatch\); check") as caught:
        open_store(s3.url("prefix")).check()
    assert "another-secret" not in str(caught.value)


def test_without_obstore_the_extra_is_named_and_a_folder_needs_none(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from registry.blobs.opening import open_store\n"
        "open_store(sys.argv[1])\n"
        "try: open_store('s3://bucket/prefix')\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    expected = "s3:// needs obstore, which is not installed: pip install 'model-ratatouille[s3]'"
    assert (done.stdout.strip(), done.stderr) == (expected, "")
