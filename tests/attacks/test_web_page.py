"""A web page in the browser of somebody who runs a coordinator or a node: it may send requests to loopback ports."""

import http.client
from contextlib import closing

import pytest

from tests.attacks.conftest import Aim

WAYS = [("GET", "/health"), ("GET", "/"), ("POST", "/v1/fleet/pull-messages"), ("POST", "/v1/control/start-run")]


def asked(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"content-length": "0", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def http_ports(aim: Aim) -> list[int]:
    """The ports that speak HTTP/1, which is what a browser's page can send: all but the registry's gRPC."""
    return [port for port in aim.ports() if port != aim.federation.port]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:PORT", "127.0.0.1.evil.example:PORT"])
def test_a_name_that_was_pointed_at_this_machine_is_refused_on_every_port(aim: Aim, host: str) -> None:
    for port in http_ports(aim):
        for method, path in WAYS:
            status, _ = asked(port, method, path, {"host": host.replace("PORT", str(port))})
            assert status == 421, f"{method} {path} on {port}: {status}"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_request_of_a_foreign_page_is_refused_on_every_port(aim: Aim, origin: str) -> None:
    for port in http_ports(aim):
        for method, path in WAYS:
            status, headers = asked(port, method, path, {"host": f"127.0.0.1:{port}", "origin": origin})
            assert status == 403, f"{method} {path} on {port}: {status}"
            assert "access-control-allow-origin" not in headers


def test_the_registry_does_not_speak_to_browsers(aim: Aim) -> None:
    for method, path in WAYS:
        with pytest.raises((http.client.HTTPException, OSError)):
            asked(aim.federation.port, method, path, {"host": f"127.0.0.1:{aim.federation.port}"})


def test_the_page_itself_still_answers_its_own_reader(aim: Aim) -> None:
    port = aim.federation.web_port
    own = {"host": f"localhost:{port}"}
    assert asked(port, "GET", "/", own)[0] == 200
    assert asked(port, "GET", "/", own | {"origin": f"http://localhost:{port}"})[0] == 200
