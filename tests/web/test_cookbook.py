import json
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route, expect

from bakehouse.studies import study
from tests.running_home import RunningHome
from tests.web.accessibility import assert_accessible

STUDY = "?page=cookbook&study=small_network"


def test_a_question_is_found_by_its_words_and_leads_to_its_study(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=cookbook")
    cards = page.get_by_role("article")
    expect(cards).to_have_count(26)
    expect(cards.filter(has_text="hints")).to_contain_text("variants · 20 runs · 4 recipes")
    assert_accessible(page)
    page.get_by_role("searchbox", name="Filter the studies").fill("small batch_norm_dropout")
    expect(cards).to_have_count(1)
    expect(page.get_by_role("status").filter(has_text="1 study with")).to_be_visible()
    cards.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1, name="Do batch norm and dropout help")).to_be_visible()
    expect(page).to_have_url(f"{home.url}/{STUDY}")


def test_a_study_shows_the_answer_of_its_experiment_and_its_recipes(home: RunningHome, page: Page) -> None:
    measured = study("small_network").measured
    assert measured is not None
    page.goto(f"{home.url}/{STUDY}")
    expect(page.get_by_text(measured.results.sentence)).to_be_visible()
    effects = page.get_by_role("region", name="Effects").get_by_role("row")
    expect(effects.filter(has_text="batch norm with dropout")).to_contain_text("interaction")
    arms = page.get_by_role("region", name="Arms").get_by_role("row")
    expect(arms.filter(has_text="none of them")).to_contain_text("baseline")
    expect(arms.filter(has_text="batch_norm + dropout")).to_contain_text("(0.16 to 0.74)")
    dots = page.get_by_role("figure", name="Validation accuracy by arm")
    expect(dots.locator(".dots-row svg")).to_have_count(4)
    expect(page.get_by_text(f"40 runs, measured on {measured.measured_on} with torch")).to_be_visible()
    expect(page.get_by_text("variance_shift").first).to_be_visible()
    recipe = page.get_by_role("article").filter(has=page.get_by_role("heading", name="batch_norm + dropout"))
    expect(recipe.get_by_text("dropout 0.5", exact=True)).to_be_visible()
    use = recipe.get_by_role("link", name="Use it")
    assert_accessible(page)
    use.click()
    expect(page.get_by_text("From the cookbook: Do batch norm and dropout help")).to_be_visible()
    expect(page.get_by_role("combobox", name="norm", exact=True)).to_have_value("batch_norm")


def test_of_a_search_the_winners_are_shown_and_all_trials_on_demand(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=cookbook&study=search")
    rows = page.get_by_role("region", name="Arms").get_by_role("row")
    expect(rows).to_have_count(1 + 4)
    expect(page.get_by_role("region", name="Which places matter").get_by_role("row")).to_have_count(1 + 4)
    assert_accessible(page)
    page.get_by_role("button", name="Show all 28 arms").click()
    expect(rows).to_have_count(1 + 28)


def test_a_study_of_early_stopping_shows_what_other_criteria_would_have_done(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=cookbook&study=epochs_saved")
    rows = page.get_by_role("region", name="What another criterion would have done").get_by_role("row")
    expect(rows).to_have_count(1 + 4 * 5)
    expect(rows.filter(has_text="plain").filter(has_text="patience 20")).to_contain_text("10 of 10 runs")
    assert_accessible(page)


def test_ensembles_are_beside_their_members(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=cookbook&study=bagging")
    rows = page.get_by_role("region", name="Ensembles").get_by_role("row")
    expect(rows.filter(has_text="bagged")).to_contain_text("93.1")
    expect(page.get_by_role("link", name="Download")).to_have_count(0)


def test_the_command_for_a_recipe_can_be_copied(home: RunningHome, page: Page, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=home.url)
    page.goto(f"{home.url}/{STUDY}")
    page.get_by_role("article").last.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "bakehouse new small_network/batch_norm_dropout"


def test_a_recipe_that_needs_a_run_of_another_says_where_it_goes(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=cookbook&study=fitnets")
    recipe = page.get_by_role("article").filter(has=page.get_by_role("heading", name="hints"))
    expect(recipe).to_contain_text("Needs a run of teacher: train that one first")
    recipe.get_by_role("link", name="Use it").click()
    expect(page.get_by_text("it needs the id of a run of “teacher”")).to_be_visible()


def test_many_recipes_are_folded(home: RunningHome, page: Page) -> None:
    answer = study("small_network").model_dump(mode="json")
    answer["recipes"] = [{**answer["recipes"][0], "name": f"recipe_{index}"} for index in range(14)]
    page.route("**/v1/cookbook/small_network", lambda route: route.fulfill(json=answer))
    page.goto(f"{home.url}/{STUDY}")
    expect(page.get_by_role("article")).to_have_count(12)
    page.get_by_role("button", name="Show all 14 recipes").click()
    expect(page.get_by_role("article")).to_have_count(14)


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
