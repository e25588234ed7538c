import json
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.running_home import RunningHome
from tests.web.accessibility import assert_accessible

STUDY = "?page=cookbook&study=small_network"


def test_a_question_is_found_by_its_words_and_leads_to_its_study(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=cookbook")
    cards = page.get_by_role("article")
    expect(cards.filter(has_text="hints")).to_contain_text("4 recipes · 5 seeds")
    assert_accessible(page)
    page.get_by_role("searchbox", name="Filter the studies").fill("small norm_and_dropout")
    expect(cards).to_have_count(1)
    expect(page.get_by_role("status").filter(has_text="1 study with")).to_be_visible()
    cards.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1, name="Do batch norm and dropout help")).to_be_visible()
    expect(page).to_have_url(f"{home.url}/{STUDY}")


def test_a_study_shows_its_numbers_with_spread_and_interval_and_its_recipes(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/{STUDY}")
    row = page.get_by_role("row", name="norm_and_dropout")
    expect(row).to_contain_text("97.99 ± 0.23")
    expect(row).to_contain_text("+1.39 (+0.746 to +2.04)")
    expect(page.get_by_role("figure")).to_contain_text("dropout does not clearly differ from plain.")
    expect(page.get_by_role("figure").locator("circle")).to_have_count(3)
    expect(page.get_by_text("variance_shift").first).to_be_visible()
    expect(page.get_by_text("Measured on 2026-11-21 with torch 2.13.0+cpu.")).to_be_visible()
    recipe = page.get_by_role("article").filter(has=page.get_by_role("heading", name="norm_and_dropout"))
    expect(recipe.get_by_text("dropout 0.5", exact=True)).to_be_visible()
    use = recipe.get_by_role("link", name="Use it")
    assert_accessible(page)
    use.click()
    expect(page.get_by_text("From the cookbook: Do batch norm and dropout help")).to_be_visible()
    expect(page.get_by_role("combobox", name="norm", exact=True)).to_have_value("batch_norm")


def test_the_command_for_a_recipe_can_be_copied(home: RunningHome, page: Page, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=home.url)
    page.goto(f"{home.url}/{STUDY}")
    page.get_by_role("article").first.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "bakehouse new small_network/plain"


def test_the_question_of_a_study_becomes_an_experiment_with_one_button(home: RunningHome, page: Page) -> None:
    bodies: list[dict[str, Any]] = []

    def accept(route: Route) -> None:
        bodies.append(json.loads(route.request.post_data or ""))
        route.fulfill(status=201, json={"id": "exp_000000000000"})

    page.route("**/v1/experiments", accept)
    page.goto(f"{home.url}/{STUDY}")
    expect(page.get_by_text("bakehouse cookbook small_network")).to_be_visible()
    expect(page.get_by_text("/v1/experiments' -H")).to_be_visible()
    page.get_by_role("button", name="Make an experiment of this").click()
    expect(page).to_have_url(f"{home.url}/?page=experiments&id=exp_000000000000")
    assert [body["name"] for body in bodies] == ["Do batch norm and dropout help a small network on digits?"]


def test_a_study_that_does_not_exist_says_so(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=cookbook&study=nothing")
    expect(page.get_by_role("alert")).to_contain_text("study")
    assert_accessible(page)
