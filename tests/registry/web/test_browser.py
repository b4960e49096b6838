"""The pages in a real Chromium: opened, walked by keyboard, read in both schemes and on a phone, followed live."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from registry.web.server import WebServer
from tests.registry.web.conftest import Tab
from tests.registry.web.scene import KEY, Scene, make_scene

PAGES = (
    "/",
    "/?open=77aa:1.fine_tune.target",
    "/rounds/summer",
    "/versions/stable",
    "/versions/latest?cell=pets/sketch/test/all/0/8",
    "/releases",
    "/compare",
    "/compare?a=spring-2026&b=stable",
    "/compare?a=spring-2026&b=stable&metric=balanced_accuracy&weights=1",
    "/best",
    "/best?task=weird&metric=balanced_accuracy",
    "/live",
    "/contributors",
    f"/contributors/{KEY}",
    "/search?q=anna",
)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LOOKING = (Path(__file__).parent / "looking.js").read_text(encoding="utf-8")


def ask(page: Page, question: str) -> Any:
    """A function of `looking.js`, called on the page."""
    return page.evaluate(f"() => {{ {LOOKING} return {question}(); }}")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_landmarks_and_contrast_in_both_schemes_and_fits_a_phone(tab: Tab, path: str) -> None:
    tab.page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page = tab.open(path)
    assert ask(page, "obstacles") == []  # landmarks, headings, labels, captions
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = ask(page, "contrasts")  # of words, as WCAG AA wants it
        assert len(found) > 10
        assert [one for one in found if one["ratio"] < one["needed"]] == [], scheme
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [320, 320]
    assert ask(page, "wide") == []
    layout = page.context.new_cdp_session(page).send("Page.getLayoutMetrics")
    assert layout["cssContentSize"]["width"] == 320  # as wide as a picture of the whole page would be


@pytest.mark.parametrize("scheme", SCHEMES)
def test_counts_can_be_read_on_every_heat(tab: Tab, scheme: Literal["light", "dark"]) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    page = tab.open("/versions/stable")
    for heat in range(11):
        page.eval_on_selector_all(".matrix td", f"(all) => all.forEach((one) => {{ one.className = 'h{heat}'; }})")
        page.eval_on_selector_all(".matrix td", "(all) => all.forEach((one) => { one.textContent = 'counted'; })")
        found = [one for one in ask(page, "contrasts") if one["words"] == "counted"]
        assert len(found) == 4
        assert [one for one in found if one["ratio"] < one["needed"]] == [], heat


def test_the_schemes_differ(tab: Tab) -> None:
    papers = set()
    for scheme in SCHEMES:
        tab.page.emulate_media(color_scheme=scheme)
        papers.add(tab.open("/").evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert len(papers) == 2


def test_the_history_opens_and_a_group_opens_by_mouse(tab: Tab) -> None:
    page = tab.open("/")
    expect(page).to_have_title("History · Ratatouille")
    expect(page.locator("section.round h2")).to_have_text(["summer", "spring"])
    group = page.get_by_role("link", name="open 9 trainings")
    expect(group).to_have_count(1)
    group.click()
    expect(page.get_by_role("link", name="close 9 trainings")).to_be_visible()
    rows = page.locator("#round-77aa .graph.wide a.row")
    expect(rows).to_have_count(9)
    rows.first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Training of pets")


def test_the_keyboard_reaches_everything_and_the_focus_is_seen(tab: Tab) -> None:
    page = tab.open("/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        seen.append(focused.get_attribute("aria-label") or focused.inner_text())
        ring = focused.evaluate(
            "(one) => [getComputedStyle(one), ...[...one.children].map((part) => getComputedStyle(part))]"
            ".some((style) => style.outlineStyle !== 'none' || style.strokeWidth === '3px')"
        )
        assert ring, seen[-1]
        if seen[-1] == "open 9 trainings, pets":
            break
    assert seen[-1] == "open 9 trainings, pets"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("open=77aa"))
    expect(page.get_by_role("link", name="close 9 trainings")).to_be_visible()


def test_a_version_shows_scores_classes_lineage_and_how_to_get_it(tab: Tab, scene: Scene) -> None:
    page = tab.open("/versions/stable")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Average of 9")
    expect(page.get_by_role("table", name=re.compile("Confusion matrix, 8 images")).locator("tbody tr")).to_have_count(
        2
    )
    expect(page.get_by_role("table", name=re.compile("Effective shares")).locator("tbody tr")).to_contain_text(
        "100.0 %"
    )
    expect(page.locator("#get ~ .copied").first).to_contain_text("ratatouille pull stable")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="head", exact=True).click()
    file = waiting.value.path()
    digest = scene.world.registry.versions.show(scene.second).entry.version.head
    assert digest is not None
    assert file.read_bytes() == scene.world.registry.weights.fetch(digest).read_bytes()


def test_a_training_shows_its_curve(tab: Tab, scene: Scene) -> None:
    page = tab.open(f"/versions/{scene.runs[0]}")
    expect(page.get_by_role("img", name=re.compile("Validation score in %"))).to_be_visible()
    expect(page.locator("figure.curve polyline")).to_have_count(3)


def test_two_versions_are_compared_through_the_form(tab: Tab) -> None:
    page = tab.open("/compare")
    page.get_by_label("first version").fill("spring-2026")
    page.get_by_label("second version").fill("stable")
    page.get_by_role("button", name="Compare").click()
    row = page.get_by_role("table", name="pets").get_by_role("row", name=re.compile("sketch"))
    expect(row).to_contain_text("87.5")
    expect(row).to_contain_text("+0.0")
    page.get_by_role("link", name="How far each tensor moved").click()
    table = page.get_by_role("table", name=re.compile("Featurizer: all weights"))
    expect(table.get_by_role("row", name=re.compile("conv.weight"))).to_have_count(1)


def test_the_best_versions_of_a_task_are_reached_from_the_navigation(tab: Tab, scene: Scene) -> None:
    page = tab.open("/")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Best").click()
    rows = page.get_by_role("table", name=re.compile("The best 2: accuracy")).locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("87.5")
    page.locator("select[name=task]").select_option("weird")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("table", name=re.compile("The best 1")).get_by_role("link", name=scene.hostile[:10]).click()
    page.wait_for_url(re.compile(scene.hostile))


def test_the_plot_has_a_point_for_each_release_that_leads_to_it(tab: Tab, scene: Scene) -> None:
    page = tab.open("/releases")
    points = page.locator(".plot.wide a")
    expect(points).to_have_count(2)
    points.first.click()
    page.wait_for_url(re.compile(scene.first))


def test_a_search_from_the_top_of_a_page_finds(tab: Tab, scene: Scene) -> None:
    page = tab.open("/live")
    page.get_by_role("searchbox").fill(scene.probe[:8])
    page.keyboard.press("Enter")
    page.get_by_role("region", name="The version of this name").get_by_role("link").click()
    page.wait_for_url(re.compile(scene.probe))


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[Scene, WebServer]]:
    """A history of this test's own, with a server."""
    scene = make_scene(tmp_path)
    server = WebServer(scene.world.registry, 0)
    server.start()
    yield scene, server
    server.stop()
    scene.world.registry.close()


def test_the_live_page_follows_a_round_without_being_loaded_again(
    chromium: Browser, busy: tuple[Scene, WebServer]
) -> None:
    scene, server = busy
    page = chromium.new_page()
    page.goto(f"{server.address}live")
    page.evaluate("window.here = true")
    card = page.get_by_role("article", name="summer")
    expect(card.locator(".state")).to_have_text("running")
    expect(card.get_by_role("progressbar")).to_have_attribute("value", "4")
    scene.world.registry.rounds.note("77aa", "version", "1" * 64, "one more")
    expect(card.get_by_role("progressbar")).to_have_attribute("value", "5")
    focused = page.get_by_role("link", name="spring")
    focused.focus()
    scene.world.registry.rounds.move_round("77aa", ["running"], "done")
    expect(card.locator(".state")).to_have_text("done")
    expect(page.get_by_role("status")).to_have_text(re.compile("no round runs; round summer is done"))
    expect(focused).to_be_focused()
    assert page.evaluate("window.here") is True
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    server.stop()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("The registry does not answer; trying again.")).to_be_visible()
    page.close()


def test_without_scripts_every_page_works_and_the_live_page_reloads_itself(chromium: Browser, site: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    page.get_by_role("link", name="open 9 trainings").click()
    expect(page.get_by_role("link", name="close 9 trainings")).to_be_visible()
    page.goto(f"{site}/live")
    expect(page.locator("noscript meta[http-equiv=refresh], meta[http-equiv=refresh]")).to_have_count(1)
    context.close()


def test_hostile_words_do_nothing(tab: Tab, scene: Scene) -> None:
    dialogs: list[str] = []
    tab.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for path in (f"/versions/{scene.hostile}", "/live", "/releases?alias=latest", "/rounds/summer", "/search?q=run"):
        page = tab.open(path)
        assert page.locator("main img").count() == 0
        assert page.locator("main script").count() == 0
    assert dialogs == []
