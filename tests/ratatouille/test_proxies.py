"""Which addresses are this machine, and what is left of a user's own exceptions."""

import httpx
import pytest

from ratatouille.proxies import go_straight_to_loopback, is_loopback, without_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST", "node.localhost"])
def test_this_machine_is_known_by_all_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["registry.example", "10.0.0.1", "localhost.example", "::2", "128.0.0.1", ""])
def test_other_machines_are_not_this_one(host: str) -> None:
    assert not is_loopback(host)


def test_what_the_user_has_excepted_stays_excepted_in_both_spellings() -> None:
    found = without_loopback({"no_proxy": "a.example, b.example", "NO_PROXY": "b.example,.c.example"})
    assert found["no_proxy"] == found["NO_PROXY"]
    assert found["no_proxy"].split(",")[:3] == ["a.example", "b.example", ".c.example"]
    assert without_loopback(found) == found


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"])
def test_httpx_goes_straight_to_loopback_and_by_the_proxy_elsewhere(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    go_straight_to_loopback()
    with httpx.Client() as client:
        scheme = "https" if "https" in variable else "http"
        straight = client._transport
        for host in ("127.0.0.1", "localhost", "[::1]"):
            assert client._transport_for_url(httpx.URL(f"{scheme}://{host}:8000/")) is straight
        assert client._transport_for_url(httpx.URL(f"{scheme}://registry.example/")) is not straight
