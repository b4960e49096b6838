"""A registry behind TLS: which authorities are believed, and that each failure is one sentence with the next step."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.federations import Federation, enter_federation
from ratatouille.processes import free_port, module
from registry.opening import open_registry
from registry.server import RegistryServer
from registry.transport.authority import AUTHORITY_PATH, fetch_authority
from registry.transport.diagnosis import line_checks
from registry.transport.roots import AUTHORITY, roots_of
from tests.registry.transport.caddy import caddy
from tests.registry.transport.certificates import DAY, Authority, TlsFront

OURS = Authority.make("Our Authority")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a registry without TLS."""
    service = RegistryServer(tmp_path_factory.mktemp("registry"))
    service.start()
    yield int(service.address.rpartition(":")[2])
    service.stop(grace=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    for name in (AUTHORITY, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return tmp_path / "home"


def join(url: str, authority: Authority | None = OURS) -> None:
    """What a join leaves in the home folder."""
    federation = Federation(address=url, registry="a" * 32, name="anna", role="contributor")
    enter_federation(federation, None if authority is None else authority.pem)


def asked(url: str) -> int:
    registry = open_registry(url)
    try:
        return registry.info().protocol
    finally:
        registry.close()


def refusal(url: str) -> str:
    """The one sentence of a registry that is not reached."""
    with pytest.raises(Unreachable) as caught:
        asked(url)
    said = str(caught.value)
    assert said.startswith(f"no registry answers at {url}")
    assert "\n" not in said
    return said


@contextmanager
def front(
    folder: Path, port: int, *names: str, authority: Authority = OURS, ends: timedelta = DAY, alpn: str = "h2"
) -> Iterator[int]:
    certificate = authority.certify(folder, names, ends)
    with TlsFront(certificate, port, (alpn,)) as made:
        yield made.port


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_pinned_authority_is_believed(host: str, tmp_path: Path, port: int) -> None:
    with front(tmp_path, port, host) as at:
        url = f"grpcs://{host}:{at}"
        join(url)
        assert asked(url) == PROTOCOL
        checks = line_checks(url)
        assert [(check.step, check.good) for check in checks] == [("name", True), ("port", True), ("tls", True)]
        assert "'Our Authority'" in checks[-1].sentence


@pytest.mark.parametrize("setting", [AUTHORITY, "SSL_CERT_FILE", "config.toml"])
def test_an_authority_may_be_named_in_the_settings(
    setting: str, tmp_path: Path, port: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ours.pem"
    file.write_bytes("Ääh\n".encode() + OURS.pem)
    if setting == "config.toml":
        home.mkdir()
        (home / "config.toml").write_text(f'authority = "{file}"\n')
    else:
        monkeypatch.setenv(setting, str(file))
    with front(tmp_path, port, "localhost") as at:
        assert asked(f"grpcs://localhost:{at}") == PROTOCOL
    assert str(file) in roots_of("grpcs://localhost:1").source
    file.write_text("nothing")
    with pytest.raises(Refusal, match=f"'{file}' has no certificate"):
        asked("grpcs://localhost:1")
    file.unlink()
    with pytest.raises(Refusal, match=f"'{file}' cannot be read"):
        asked("grpcs://localhost:1")


def test_the_pin_counts_before_all_settings(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "other.pem"
    file.write_bytes(Authority.make("Other").pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with front(tmp_path, port, "localhost") as at:
        join(url := f"grpcs://localhost:{at}")
        assert asked(url) == PROTOCOL


def test_this_machines_own_store_is_read_as_the_standard_library_does() -> None:
    system = roots_of("grpcs://front.example:8443")
    assert system.kind == "system"
    assert system.pem.count(b"BEGIN CERTIFICATE") > 20
    assert system.pem.isascii()


def test_a_certificate_for_another_name_is_said_with_the_names_that_it_has(tmp_path: Path, port: int) -> None:
    with front(tmp_path, port, "a.example", "b.example", "10.0.0.1") as at:
        join(url := f"grpcs://localhost:{at}")
        said = refusal(url)
    assert f"the certificate at localhost:{at} is not for localhost, but for a.example, b.example, 10.0.0.1;" in said
    assert "coordinator up" not in said
    assert "`--public localhost`" in said


def test_an_interceptor_is_named_where_an_authority_is_pinned(tmp_path: Path, port: int) -> None:
    company = Authority.make("Inspection CA", "Careful Company")
    with front(tmp_path, port, "localhost", authority=company) as at:
        join(url := f"grpcs://localhost:{at}")
        said = refusal(url)
    assert "is from 'Inspection CA' (Careful Company), and not from the authority that the invitation named" in said
    assert "have localhost excepted" in said


def test_a_command_says_one_sentence_of_a_certificate_and_nothing_else(tmp_path: Path, port: int) -> None:
    with front(tmp_path, port, "localhost", authority=Authority.make("Somebody")) as made:
        join(url := f"grpcs://localhost:{made}")
        words = [*module("ratatouille.cli.main"), "log", "--remote", url]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"error: no registry answers at {url}: the certificate at localhost:{made} is from ")


def test_an_authority_that_nobody_knows_is_named(tmp_path: Path, port: int) -> None:
    with front(tmp_path, port, "localhost") as at:
        said = refusal(f"grpcs://localhost:{at}")
    assert "'Our Authority', which is not among the authorities of the store of this machine" in said
    assert "setting authority or SSL_CERT_FILE" in said


def test_a_certificate_that_has_ended_is_said_with_its_end_and_the_clock(tmp_path: Path, port: int) -> None:
    with front(tmp_path, port, "localhost", ends=-DAY) as at:
        join(url := f"grpcs://localhost:{at}")
        said = refusal(url)
    assert f"the certificate at localhost:{at} ended on 20" in said
    assert "this machine's clock says" in said


def test_a_port_without_tls_is_said(port: int) -> None:
    said = refusal(f"grpcs://localhost:{port}")
    assert "speaks no TLS that fits" in said
    assert "begins with grpc://" in said


def test_tls_without_http2_is_said_with_who_made_the_certificate(tmp_path: Path, port: int) -> None:
    with front(tmp_path, port, "localhost", alpn="http/1.1") as at:
        join(url := f"grpcs://localhost:{at}")
        said = refusal(url)
    assert "speaks TLS and no HTTP/2 (its certificate is from 'Our Authority')" in said


def test_a_closed_port_and_a_name_that_is_none_are_said(port: int) -> None:
    closed = free_port()
    assert f"nothing listens at localhost:{closed} (" in refusal(f"grpcs://localhost:{closed}")
    said = refusal("grpcs://front.invalid:8443")
    assert "the name of front.invalid cannot be resolved" in said
    assert "check the spelling" in said
    assert "cannot be resolved" in refusal("grpc://front.invalid:8443")


def test_a_port_that_says_nothing_is_given_up(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        last = line_checks(f"grpcs://localhost:{silent.getsockname()[1]}", seconds=0.5)[-1]
    assert (last.step, last.good) == ("tls", False)
    assert "took the connection and said nothing" in last.cause


def test_a_door_without_its_registry_and_one_that_has_no_such_path_are_told_apart(tmp_path: Path) -> None:
    at, certificate = free_port(), OURS.certify(tmp_path, ["localhost"])
    caddyfile = f"""{{
        admin off
        auto_https off
    }}
    https://localhost:{at} {{
        tls {certificate} {certificate}
        handle {{
            DIRECTIVE
        }}
    }}"""
    join(url := f"grpcs://localhost:{at}")
    with caddy(tmp_path, caddyfile.replace("DIRECTIVE", f"reverse_proxy h2c://127.0.0.1:{free_port()}"), at):
        assert "though its door does; it may be starting" in refusal(url)
    with caddy(tmp_path, caddyfile.replace("DIRECTIVE", "respond 405"), at), pytest.raises(Refusal) as caught:
        asked(url)
    assert f"what answers at {url} is no registry of this kind" in str(caught.value)


class Web:
    """Answers each connection on a port of loopback with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.asked: list[bytes] = []
        threading.Thread(target=self._serve, args=(answer,), daemon=True).start()

    def _serve(self, answer: bytes) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line:
                self.asked.append(line.recv(4096))
                line.sendall(answer)

    def close(self) -> None:
        self._listener.close()


def fetched(tmp_path: Path, status: str, body: bytes, pin: str) -> bytes:
    web = Web(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    try:
        with front(tmp_path, web.port, "other.example", alpn="http/1.1") as at:
            return fetch_authority(f"grpcs://localhost:{at}", pin)
    finally:
        assert web.asked[0].startswith(f"GET {AUTHORITY_PATH} HTTP/1.1\r\n".encode())
        web.close()


def test_an_authority_is_fetched_and_believed_by_its_pin_alone(tmp_path: Path) -> None:
    assert fetched(tmp_path, "200 OK", b"text\n" + OURS.pem, OURS.pin) == OURS.pem


def test_another_authority_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="is not the one that the invitation names; ask the maintainer"):
        fetched(tmp_path, "200 OK", Authority.make("Other").pem, OURS.pin)
    with pytest.raises(Refusal, match="is not the one that the invitation names"):
        fetched(tmp_path, "200 OK", b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", OURS.pin)


def test_what_is_no_door_gives_no_authority(tmp_path: Path, port: int) -> None:
    with pytest.raises(Refusal, match=r"is no coordinator's door \(HTTP 404 for /join/authority.pem\)"):
        fetched(tmp_path, "404 Not Found", b"", OURS.pin)
    with pytest.raises(Unreachable, match="nothing listens at localhost"):
        fetch_authority(f"grpcs://localhost:{free_port()}", OURS.pin)
