"""The page where reading is for members: strangers get nothing, and a link logs a member in, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from registry.ledger.members.sessions import REMEMBERED_SECONDS
from registry.owner_key import owner_key_file
from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from registry.web.operating import Operating
from registry.web.server import application
from tests.ratatouille.cli.call import call
from tests.registry.person import Person
from tests.registry.tokens import token_of
from tests.registry.web.conftest import TestClient
from tests.registry.web.scene import Scene, make_scene

STRANGE = [
    "/",
    "/?format=json",
    "/live",
    "/live?format=json",
    "/best",
    "/releases",
    "/contributors",
    "/search?q=pets",
    "/compare",
    "/versions/latest",
    "/versions/latest?format=json",
    "/versions/latest/featurizer.safetensors",
    "/rounds/x",
    "/nothing",
    "//live",
    "/static/../live",
    "/live/../versions/latest",
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = make_scene(tmp_path_factory.mktemp("scene"))
    yield scene
    scene.world.registry.close()


def browser(registry: LocalRegistry) -> TestClient:
    operating = Operating(lambda: None, lambda: b"", "token", registry.sessions)
    return TestClient(application(registry, operating), base_url="http://localhost:9280", follow_redirects=False)


@pytest.mark.parametrize("path", STRANGE)
@pytest.mark.parametrize("cookie", [None, "", "nonsense"])
def test_a_stranger_gets_nothing_while_reading_is_for_members(scene: Scene, path: str, cookie: str | None) -> None:
    registry = scene.world.registry
    assert isinstance(registry, LocalRegistry)
    registry.maintenance.configure("reading", "members")
    registry.sessions._remembered.clear()
    headers = {} if cookie is None else {"cookie": f"ratatouille_session={cookie}"}
    answer = browser(registry).get(path, headers=headers)
    assert answer.status_code in (401, 404)
    assert answer.status_code == 401 or path.startswith("/static")
    assert "pets" not in answer.text
    assert "no-store" in answer.headers["cache-control"]


def test_a_link_lets_its_member_in_once_and_until_the_key_is_revoked_or_it_is_logged_out(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    registry.maintenance.configure("reading", "members")
    owner = Person(registry, 1, "owner")
    anna = Person(registry, 2, "anna").joined(owner, role="reader")

    def link() -> str:
        return f"/login/{token_of(registry, anna.signer)}"

    mine, other = browser(registry), browser(registry)
    first = link()
    assert mine.head(first).status_code == 401, "a program that only looks at the link does not use it up"
    entered = mine.get(first)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert mine.get("/").status_code == 200
    assert other.get(first).status_code == 401, "the link was used"
    assert other.get("/", headers={"cookie": f"ratatouille_session={first.removeprefix('/login/')}"}).status_code == 401
    assert other.get(link(), headers={"host": "evil.example"}).status_code == 421
    assert "secure" in other.get(link(), headers={"x-forwarded-proto": "https"}).headers["set-cookie"].lower()
    assert mine.get("/logout").status_code == 303
    assert mine.get("/").status_code == 401
    mine.get(link())
    late = link()
    assert mine.get("/").status_code == 200
    owner.revoke(anna.key)
    registry.sessions._remembered.clear()  # as after a second
    assert mine.get("/").status_code == 401
    assert other.get(late).status_code == 401
    registry.close()


def test_the_command_prints_a_link_for_the_owner_and_refuses_who_has_not_joined(tmp_path: Path) -> None:
    server = RegistryServer(tmp_path / "registry")
    server.start()
    page = server.show(0)
    try:
        address = call("web-login", "--remote", server.address).out.strip()
        assert address in page, "reading is public"
        with closing(LocalRegistry(tmp_path / "registry")) as registry:
            registry.maintenance.configure("reading", "members")
        time.sleep(REMEMBERED_SECONDS)
        client = build_opener(HTTPCookieProcessor())
        link = call("web-login", "--remote", server.address).out.strip()
        assert link.startswith(f"{address}login/")
        assert client.open(link).url == address
        assert client.open(f"{address}live?format=json").status == 200
        with pytest.raises(HTTPError, match="401"):
            build_opener().open(address)
        with pytest.raises(HTTPError, match="401"):
            build_opener().open(link)
        owner_key_file(urlsplit(server.address).port or 0).unlink()
        call("web-login", "--remote", server.address).refused("shows its history to members only", "node join --invite")
    finally:
        server.stop()
