"""Requests that are signed with a shared secret: good ones pass once, everything else does not."""

import stat
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.processes.secret import WINDOW, Secret, Verifier
from ratatouille.record import sha256

PATH = "/v1/control/start-run"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_file_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "secret"
    signed = Secret.open(path).sign("POST", PATH, b"body")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = Secret.open(path)
    assert again.code("POST", PATH, *signed.split(" ")[:3]) == signed.split(" ")[3]
    assert path.read_text() not in signed


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    Secret.open(path)
    path.chmod(0o644)
    with pytest.raises(Refusal, match=r"others can read .* delete it to get a new one"):
        Secret.open(path)


def test_a_good_signature_passes_once_and_states_the_bodys_digest() -> None:
    clock = Clock()
    secret = Secret(b"key", clock)
    verifier = Verifier(secret, clock)
    signed = secret.sign("POST", PATH, b"body")
    assert verifier.verified_digest(signed, "POST", PATH) == sha256(b"body")
    assert verifier.verified_digest(signed, "POST", PATH) is None


def test_a_signature_is_good_for_its_method_and_path_for_a_minute_and_by_its_secret_only() -> None:
    clock = Clock()
    secret = Secret(b"key", clock)
    verifier = Verifier(secret, clock)
    signed = secret.sign("POST", PATH, b"")
    assert verifier.verified_digest(signed, "GET", PATH) is None
    assert verifier.verified_digest(signed, "POST", "/v1/control/stop-run") is None
    assert verifier.verified_digest(Secret(b"other", clock).sign("POST", PATH, b""), "POST", PATH) is None
    clock.now += WINDOW + 1
    assert verifier.verified_digest(signed, "POST", PATH) is None


def test_what_was_signed_before_the_service_started_cannot_be_used_again_on_it() -> None:
    clock = Clock()
    secret = Secret(b"key", clock)
    signed = secret.sign("POST", PATH, b"")
    clock.now += 1
    assert Verifier(secret, clock).verified_digest(signed, "POST", PATH) is None


@pytest.mark.parametrize("value", ["", "a b c", "a b c d", "x" * 10_000, "1 2 3 4 5", "ä b c d", "nan n d c", " " * 3])
def test_garbage_is_no_signature(value: str) -> None:
    assert Verifier(Secret(b"key")).verified_digest(value, "POST", PATH) is None


def test_used_nonces_are_forgotten_when_they_are_too_old_to_matter() -> None:
    clock = Clock()
    secret = Secret(b"key", clock)
    verifier = Verifier(secret, clock)
    for _ in range(100):
        assert verifier.verified_digest(secret.sign("POST", PATH, b""), "POST", PATH)
        clock.now += 10
    assert len(verifier._used) <= WINDOW / 10 + 2
