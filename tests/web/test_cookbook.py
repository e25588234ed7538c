import json
from typing import Any

import pytest
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


@pytest.mark.parametrize(("study", "count"), [("small_network", 20), ("fitnets", 10)])
def test_all_recipes_that_need_no_other_run_are_submitted_with_all_seeds(
    home: RunningHome, page: Page, study: str, count: int
) -> None:
    bodies: list[dict[str, Any]] = []

    def accept(route: Route) -> None:
        bodies.append(json.loads(route.request.post_data or ""))
        route.fulfill(status=201, json={})

    page.route("**/v1/runs", accept)
    page.goto(f"{home.url}/?page=cookbook&study={study}")
    page.get_by_role("button", name=f"with 5 seeds: {count} runs").click()
    expect(page.get_by_text(f"{count} of {count} runs submitted.")).to_be_visible()
    assert {(body["seed"], body["labels"]["study"]) for body in bodies} == {(seed, study) for seed in range(5)}
    assert len({(body["name"], body["seed"]) for body in bodies}) == count
    expect(page.get_by_role("link", name="Show them")).to_have_attribute("href", f"?label=study:{study}")


def test_a_study_that_does_not_exist_says_so(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=cookbook&study=nothing")
    expect(page.get_by_role("alert")).to_contain_text("study")
    assert_accessible(page)
