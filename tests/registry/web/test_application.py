"""Every page for a reader without a browser: what it says, as HTML and as JSON, and what it never says."""

from __future__ import annotations

import html.parser
import json
from collections.abc import Iterator

import pytest

from registry.web.guard import HEADERS
from tests.registry.web.conftest import TestClient
from tests.registry.web.scene import KEY, Scene

PAGES = (
    "/",
    "/rounds/summer",
    "/rounds/spring",
    "/versions/stable",
    "/versions/foundation",
    "/releases",
    "/releases?alias=latest&metric=balanced_accuracy",
    "/compare",
    "/compare?a=spring-2026&b=stable",
    "/compare?a=spring-2026&b=stable&metric=balanced_accuracy&weights=1",
    "/best",
    "/best?task=weird&metric=balanced_accuracy",
    "/live",
    "/contributors",
    f"/contributors/{KEY}",
    "/search",
    "/search?q=anna",
)
VOID = {"meta", "link", "br", "input", "img", "hr"}


class Strict(html.parser.HTMLParser):
    """Notes what must not be on a page: unclosed tags, inline scripts and styles, handlers, addresses elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(str(values["id"]))
        if tag == "style" or "style" in values or (tag == "script" and "src" not in values):
            self.wrong.append(f"{tag} with something inline")
        self.wrong += [f"{tag} {name}" for name in values if name.startswith("on")]
        links = [values[name] for name in ("href", "src", "action") if values.get(name) is not None]
        self.wrong += [f"{tag} to {link}" for link in links if not str(link).startswith(("/", "#", "?"))]
        self.wrong += [f"{tag} to {link}" for link in links if str(link).startswith("//")]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_well_formed_and_has_nothing_inline_or_from_elsewhere(reader: TestClient, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == 200
    parser = Strict()
    parser.feed(answer.text)
    assert parser.wrong == []
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))


@pytest.mark.parametrize("path", [*PAGES, "/versions/HOSTILE", "/search?q=%3Cscript%3Ealert(1)%3C/script%3E"])
def test_words_from_outside_are_text_without_control_characters(reader: TestClient, scene: Scene, path: str) -> None:
    text = reader.get(path.replace("HOSTILE", scene.hostile)).text
    assert "<script>alert" not in text
    assert "<img" not in text
    for sign in text:
        assert sign.isprintable() or sign == "\n", hex(ord(sign))


def test_hostile_words_are_shown_as_they_are_written(reader: TestClient, scene: Scene) -> None:
    text = reader.get(f"/versions/{scene.hostile}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{ 7*7 }}" in text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_json_for_those_who_ask(reader: TestClient, path: str) -> None:
    joined = f"{path}{'&' if '?' in path else '?'}format=json"
    asked = reader.get(joined)
    assert asked.headers["content-type"] == "application/json"
    assert asked.json() == reader.get(path, headers={"accept": "application/json"}).json()
    assert isinstance(asked.json(), dict)


def test_browsers_which_accept_anything_get_html(reader: TestClient) -> None:
    accept = "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"
    assert reader.get("/", headers={"accept": accept}).headers["content-type"].startswith("text/html")
    assert reader.get("/", headers={"accept": "*/*"}).headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nothing", 404, "no such page"),
        ("/versions/nothing", 404, "nothing"),
        ("/rounds/autumn", 404, "autumn"),
        ("/releases?alias=nobody", 404, "nobody"),
        ("/compare?a=nothing&b=stable", 404, "nothing"),
        ("/compare?metric=luck", 400, "accuracy, balanced_accuracy"),
        ("/best?task=cars", 404, "cars"),
        ("/best?slice=thin", 400, "all, seen, new"),
        ("/versions/stable/body.safetensors", 404, "body"),
        ("/versions/foundation/head.safetensors", 404, "featurizer alone"),
        ("/static/secret", 404, "secret"),
        ("/?before=nothing", 422, "nothing"),
        ("/contributors?page=0", 400, "page takes a whole number"),
        ("/contributors?page=99", 400, "page takes a whole number"),
        ("/contributors?page=%D9%A3", 400, "page takes a whole number"),
        ("/releases?metric=luck", 400, "accuracy, balanced_accuracy"),
        ("/releases?task=cars", 400, "task takes"),
        ("/versions/stable?depth=1000000", 400, "depth takes"),
        (f"/search?q={'x' * 201}", 400, "201 characters"),
        (f"/?{'open=a&' * 51}", 400, "51 times"),
        (f"/?{'x' * 4001}", 414, "too long"),
        (f"/versions/{'a' * 1001}", 414, "too long"),
        ("/rounds/summer?before=999999", 422, "999999"),
    ],
)
def test_errors_are_pages_with_the_status_and_one_sentence(
    reader: TestClient, path: str, status: int, words: str
) -> None:
    answer = reader.get(path)
    assert answer.status_code == status
    parser = Strict()
    parser.feed(answer.text)
    assert parser.wrong == []
    assert f"({status})" in answer.text
    assert words in answer.text
    assert 'href="/"' in answer.text
    if status not in (405, 414, 421) and "safetensors" not in path and "static" not in path:
        assert reader.get(path, headers={"accept": "application/json"}).json()["status"] == status


def test_a_name_in_an_error_is_text_too(reader: TestClient) -> None:
    text = reader.get("/versions/%3Cimg%20src=x%20onerror=alert(1)%3E").text
    assert "<img" not in text
    assert "&lt;img src=x" in text


def test_every_answer_has_the_headers_that_close_it(reader: TestClient) -> None:
    for path in ("/", "/nothing", "/static/style.css", "/versions/stable/head.safetensors", "/?before=x"):
        headers = reader.get(path).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS, path
        assert "set-cookie" not in headers
        assert "access-control-allow-origin" not in headers
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_page_that_is_unchanged_is_not_sent_again(reader: TestClient) -> None:
    first = reader.get("/contributors")
    again = reader.get("/contributors", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = reader.get("/contributors", headers={"if-none-match": '"else"'})
    assert other.status_code == 200


def test_files_of_ours_are_kept_for_ever_under_an_address_that_changes_with_them(reader: TestClient) -> None:
    page = reader.get("/").text
    for name in ("style.css", "page.js", "icon.svg"):
        (address,) = {word.split('"')[0] for word in page.split('="') if word.startswith(f"/static/{name}")}
        answer = reader.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("part", ["featurizer", "head"])
def test_the_parts_of_a_version_can_be_downloaded(reader: TestClient, scene: Scene, part: str) -> None:
    version = scene.world.registry.versions.show(scene.second).entry.version
    digest = str(getattr(version, part))
    answer = reader.get(f"/versions/stable/{part}.safetensors")
    assert answer.content == scene.world.registry.weights.fetch(digest).read_bytes()
    assert answer.headers["content-disposition"] == f'attachment; filename="{scene.second[:10]}-{part}.safetensors"'
    assert answer.headers["content-type"] == "application/octet-stream"
    some = reader.get(f"/versions/stable/{part}.safetensors", headers={"range": "bytes=8-15"})
    assert (some.status_code, some.content) == (206, answer.content[8:16])


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif isinstance(value, str):
        yield value


def test_json_says_words_from_outside_exactly(reader: TestClient, scene: Scene) -> None:
    answer = reader.get(f"/versions/{scene.hostile}?format=json")
    source = scene.world.registry.versions.show(scene.hostile).entry.message
    assert source in set(_strings(json.loads(answer.content)))
