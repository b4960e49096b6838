"""Who is answered: only readers on this machine, who only read."""

from __future__ import annotations

import pytest

from registry.web.guard import host_name
from tests.registry.web.conftest import TestClient


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:9280", "localhost.", "127.0.0.1", "127.0.0.1:9280", "[::1]", "[::1]:8080", "localhost:"],
)
def test_names_of_this_machine_are_answered_on_every_port(reader: TestClient, host: str) -> None:
    assert reader.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:9280",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "0.0.0.0",
        "evil.example@localhost:80",
        "localhost:80@evil.example",
        "[::1].evil.example",
        "::1",
        "localhost:80:90",
    ],
)
def test_any_other_name_is_refused_so_that_it_cannot_be_pointed_here(reader: TestClient, host: str) -> None:
    answer = reader.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "this machine only" in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(reader: TestClient, method: str) -> None:
    answer = reader.request(method, "/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_head_is_answered_without_a_body(reader: TestClient) -> None:
    answer = reader.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_port_of_letters_is_part_of_the_name() -> None:
    assert host_name("localhost:http") == "localhost:http"
