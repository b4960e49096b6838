from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from docs.screenshots.chromium import chromium as a_chromium
from ratatouille.errors import RatatouilleError
from registry.web.server import WebServer, application
from tests.registry.web.scene import Scene, make_scene

with warnings.catch_warnings():
    # it uses a name of anyio that a newer anyio deprecates: warnings are errors for our own code only
    warnings.simplefilter("ignore", DeprecationWarning)
    from starlette.testclient import TestClient as TestClient

REQUIRED = "RATATOUILLE_REQUIRE_CHROMIUM"


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The history that most tests read; who changes it makes their own."""
    scene = make_scene(tmp_path_factory.mktemp("scene"))
    yield scene
    scene.world.registry.close()


@pytest.fixture(scope="session")
def reader(scene: Scene) -> Iterator[TestClient]:
    """The application, asked without a socket."""
    with TestClient(application(scene.world.registry), base_url="http://localhost:9280") as client:
        yield client


@pytest.fixture(scope="session")
def site(scene: Scene) -> Iterator[str]:
    """The address of a real server, without a slash at its end."""
    server = WebServer(scene.world.registry, 0)
    server.start()
    yield server.address.rstrip("/")
    server.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The Chromium of this machine. While it is there, Playwright's event loop runs in this thread."""
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(a_chromium())
        except RatatouilleError as error:
            pytest.fail(str(error)) if os.environ.get(REQUIRED) else pytest.skip(str(error))
        yield browser


class Tab:
    """A page of the browser that hears what goes wrong on it."""

    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self.site = site
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._note)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _note(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)

    def open(self, path: str) -> Page:
        """Go to a page of the site."""
        answer = self.page.goto(self.site + path)
        assert answer is not None
        assert answer.ok, answer.status
        return self.page


@pytest.fixture
def tab(chromium: Browser, site: str) -> Iterator[Tab]:
    """A fresh tab, wide and light; it must end without a complaint and without a request to another host."""
    context: BrowserContext = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(30_000)
    tab = Tab(context.new_page(), site)
    yield tab
    context.close()
    assert tab.complaints == []
    assert tab.hosts <= {urlsplit(site).netloc}
