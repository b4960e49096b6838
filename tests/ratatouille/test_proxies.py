"""Which addresses are this machine, and what is left of a user's own exceptions."""

import httpx
import pytest

from ratatouille.errors import Refusal
from ratatouille.proxies import go_straight_to_loopback, is_loopback, only_proxy, proxy_for, without_loopback


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


FRONT = ("front.example.org", 8443)


@pytest.mark.parametrize(
    "variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "grpc_proxy", "http_proxy", "HTTP_PROXY"]
)
def test_a_proxy_is_found_in_both_spellings_and_by_its_kind(variable: str) -> None:
    environment = {variable: "http://proxy.example:3128"}
    found = proxy_for(*FRONT, environment=environment)
    if variable.lower() == "http_proxy":
        assert found is None  # it is for what is not encrypted
        found = proxy_for(*FRONT, encrypted=False, environment=environment)
    assert found is not None
    assert (found.variable, found.host, found.port) == (variable, "proxy.example", 3128)
    assert proxy_for("127.0.0.1", 8443, environment=environment) is None


def test_the_lower_case_variable_counts_before_the_other_and_an_empty_one_not_at_all() -> None:
    environment = {"https_proxy": "", "HTTPS_PROXY": "upper.example:3128", "ALL_PROXY": "http://all.example"}
    found = proxy_for(*FRONT, environment=environment)
    assert found is not None
    assert found.host_and_port == "upper.example:3128"
    found = proxy_for(*FRONT, environment=environment | {"https_proxy": "http://lower.example"})
    assert found is not None
    assert found.host_and_port == "lower.example:80"


@pytest.mark.parametrize("spelling", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize(
    "entry", ["*", "example.org", ".example.org", "*.example.org", "FRONT.example.org", "a.b, front.example.org:8443"]
)
def test_exceptions_are_found_in_both_spellings_and_all_usual_forms(spelling: str, entry: str) -> None:
    environment = {"https_proxy": "http://proxy.example:3128", spelling: entry}
    assert proxy_for(*FRONT, environment=environment) is None


@pytest.mark.parametrize("entry", ["ample.org", "front.example.org:443", "front.example.com", "10.0.0.0/8", ""])
def test_what_only_looks_like_an_exception_is_none(entry: str) -> None:
    environment = {"https_proxy": "http://proxy.example:3128", "no_proxy": entry}
    assert proxy_for(*FRONT, environment=environment) is not None


def test_a_network_excepts_its_addresses() -> None:
    environment = {"https_proxy": "http://proxy.example:3128", "no_proxy": "10.0.0.0/8,[2001:db8::1]"}
    assert proxy_for("10.1.2.3", 8443, environment=environment) is None
    assert proxy_for("2001:db8::1", 8443, environment=environment) is None
    assert proxy_for("11.1.2.3", 8443, environment=environment) is not None


@pytest.mark.parametrize("said", ["socks5://user:secret@proxy.example:1080", "https://user:secret@proxy.example"])
def test_a_proxy_of_another_kind_is_refused_without_its_password(said: str) -> None:
    with pytest.raises(Refusal, match="the variable https_proxy names a proxy of kind") as caught:
        proxy_for(*FRONT, environment={"https_proxy": said})
    assert "secret" not in str(caught.value)
    with pytest.raises(Refusal, match="names no proxy that can be read"):
        proxy_for(*FRONT, environment={"https_proxy": "http://proxy.example:port"})


def test_a_program_with_one_proxy_uses_that_one_whatever_its_users_variables_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = proxy_for(*FRONT, environment={"HTTPS_PROXY": "http://me:p%40ss@proxy.example:3128"})
    assert chosen is not None
    assert chosen.login == "me:p@ss"
    monkeypatch.setenv("https_proxy", "socks5://other.example:1080")
    monkeypatch.setenv("NO_PROXY", "front.example.org")
    for name, value in only_proxy(chosen).items():
        monkeypatch.setenv(name, value)
    with httpx.Client() as client:
        straight = client._transport
        assert client._transport_for_url(httpx.URL("https://front.example.org:8443/")) is not straight
        assert client._transport_for_url(httpx.URL("http://127.0.0.1:9/")) is straight
    for name, value in only_proxy(None).items():
        monkeypatch.setenv(name, value)
    with httpx.Client() as client:
        assert client._transport_for_url(httpx.URL("https://front.example.org:8443/")) is client._transport
