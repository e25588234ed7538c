"""The page on which a recipe is written, as a person uses it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.running_home import RunningHome
from tests.web.accessibility import assert_accessible

QUICK = {"dataset": "digits", "architecture": {"type": "mlp", "hidden": [16]}, "epochs": 1}


def open_form(page: Page, home: RunningHome, query: str = "") -> None:
    page.goto(f"{home.url}/?page=new{query}")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()


def shown_recipe(page: Page) -> Any:
    return json.loads(page.locator(".copy code").inner_text())


def paste(page: Page, text: str) -> None:
    page.get_by_role("button", name="Import").click()
    page.get_by_label("Paste JSON here").fill(text)
    page.get_by_role("button", name="Use this recipe").click()


def family(page: Page, name: str) -> Any:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name, exact=True))


def test_a_recipe_is_composed_advised_and_submitted_as_it_is_shown(home: RunningHome, page: Page) -> None:
    open_form(page, home)
    page.get_by_label("name", exact=True).fill("it's <b>bread</b> 🥖 خبز")
    page.get_by_role("combobox", name="norm", exact=True).select_option("batch norm")
    page.get_by_role("button", name="Add dropout").click()
    page.get_by_label("rate", exact=True).fill("0.3")
    page.get_by_label("hidden", exact=True).fill("16 16")
    expect(page.get_by_role("img", name="augmentation: none")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("hidden2.dropout")).to_be_visible()
    page.get_by_role("button", name="Apply variance_shift", exact=True).click()
    expect(page.get_by_role("button", name="Apply variance_shift", exact=True)).to_have_count(0)
    assert_accessible(page)
    recipe = shown_recipe(page)
    assert recipe == {
        "name": "it's <b>bread</b> 🥖 خبز",
        "dataset": "digits",
        "architecture": {"type": "mlp", "hidden": [16, 16]},
        "norm": "batch_norm",
        "dropout": {"type": "dropout", "rate": 0.3, "placement": "classifier"},
    }
    with page.expect_request(is_submission) as sent:
        page.get_by_role("button", name="Train", exact=True).dblclick()
    assert sent.value.post_data_json == recipe
    page.wait_for_url("**/?page=run&id=run_*")
    run = httpx.get(f"{home.url}/v1/runs/{page.url.partition('id=')[2]}", trust_env=False).json()
    assert run["recipe"]["name"] == recipe["name"]
    httpx.post(f"{home.url}/v1/runs/{run['id']}/cancel", trust_env=False)


def is_submission(request: Request) -> bool:
    return request.method == "POST" and request.url.endswith("/v1/runs")


def add_made_up_norm(route: Route) -> None:
    answer = route.fetch().json()
    norm = next(family for family in answer["families"] if family["name"] == "norm")
    field = {
        **norm["variants"][1]["fields"][0],
        "name": "hydration",
        "default": 0.7,
        "json_schema": {"type": "number", "minimum": 0, "maximum": 1},
    }
    norm["variants"].append({**norm["variants"][1], "type": "sourdough_norm", "main": None, "fields": [field]})
    fruit = {**norm, "name": "fruit", "default": {"type": "none"}}
    answer["families"].append(fruit)
    answer["order"].append("fruit")
    route.fulfill(json=answer)


def test_an_ingredient_that_the_page_has_never_seen_is_in_the_form_and_in_the_recipe(
    home: RunningHome, page: Page
) -> None:
    page.route("**/v1/recipes/ingredients", add_made_up_norm)
    open_form(page, home)
    page.get_by_role("combobox", name="norm", exact=True).select_option("sourdough norm")
    page.get_by_label("hydration", exact=True).fill("0.8")
    assert shown_recipe(page)["norm"] == {"type": "sourdough_norm", "hydration": 0.8}
    page.locator("summary").filter(has_text="fruit").click()
    page.get_by_role("combobox", name="fruit", exact=True).select_option("group norm")
    assert shown_recipe(page)["fruit"] == "group_norm"


def test_a_draft_survives_a_reload_and_can_be_started_again(home: RunningHome, page: Page) -> None:
    open_form(page, home)
    page.get_by_label("name", exact=True).fill("kept")
    page.get_by_role("button", name="Add augmentation").click()
    page.reload()
    expect(page.get_by_label("name", exact=True)).to_have_value("kept")
    assert shown_recipe(page)["augmentation"] == "random_crop"
    page.get_by_role("button", name="Start again").click()
    assert shown_recipe(page) == {"dataset": "digits", "architecture": "mlp"}
    page.get_by_role("button", name="Undo").click()
    assert shown_recipe(page)["name"] == "kept"


def test_an_import_says_what_is_wrong_and_keeps_what_the_page_does_not_know(
    home: RunningHome, page: Page, tmp_path: Path
) -> None:
    open_form(page, home)
    paste(page, "{dataset}")
    expect(page.get_by_role("alert").filter(has_text="This is not JSON")).to_be_visible()
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({**QUICK, "dropout": [{"rate": 5}], "typo": {"deep": 1}, "epochs": 0}))
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_role("heading", name="3 problems")).to_be_visible()
    assert shown_recipe(page) == {**QUICK, "dropout": 5, "typo": {"deep": 1}, "epochs": 0}
    expect(page.get_by_label("rate", exact=True)).to_have_attribute("aria-invalid", "true")
    assert_accessible(page)
    page.get_by_role("button", name="epochs should").click()
    expect(page.get_by_label("epochs", exact=True)).to_be_focused()
    page.get_by_role("button", name="Remove typo").click()
    page.get_by_label("epochs", exact=True).fill("1")
    page.get_by_label("rate", exact=True).fill("0.5")
    expect(page.get_by_role("heading", name="problem")).to_have_count(0)


def test_a_copy_of_a_run_may_have_a_change_that_was_advised(home: RunningHome, page: Page) -> None:
    recipe = {**QUICK, "name": "copied", "norm": "batch_norm", "dropout": 0.5, "architecture": "mlp"}
    run = httpx.post(f"{home.url}/v1/runs", json=recipe, trust_env=False).json()
    open_form(page, home, f"&from={run['id']}&advice=variance_shift")
    expect(page.get_by_text("A copy of “copied” with the change that variance_shift suggests.")).to_be_visible()
    assert shown_recipe(page)["dropout"]["placement"] == "classifier"
    page.get_by_label("name", exact=True).fill("changed copy")
    page.reload()
    expect(page.get_by_label("name", exact=True)).to_have_value("changed copy")
    open_form(page, home, f"&from={run['id']}&advice=nothing")
    expect(page.get_by_text("unchanged: it has no nothing that suggests a change")).to_be_visible()
    page.goto(f"{home.url}/?page=new&from=run_000000000000")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    httpx.post(f"{home.url}/v1/runs/{run['id']}/cancel", trust_env=False)


def test_several_seeds_are_several_runs_to_compare(home: RunningHome, page: Page) -> None:
    open_form(page, home)
    paste(page, json.dumps(QUICK))
    page.get_by_label("with the seeds 0 to 4").check()
    page.get_by_role("button", name="Train with 5 seeds").click()
    page.wait_for_url("**/?page=compare&runs=*")
    ids = page.url.partition("runs=")[2].split(",")
    runs = [httpx.get(f"{home.url}/v1/runs/{each}", trust_env=False).json() for each in ids]
    assert [run["recipe"]["seed"] for run in runs] == [0, 1, 2, 3, 4]


def test_the_keyboard_alone_reaches_and_changes_fields(home: RunningHome, page: Page) -> None:
    open_form(page, home)
    page.get_by_label("name", exact=True).focus()
    page.keyboard.type("keys")
    page.get_by_role("slider", name="patience, slider").focus()
    page.keyboard.press("Home")
    page.get_by_label("About patience", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("early_stopping.patience")).to_be_visible()
    page.get_by_role("button", name="Add dropout").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("slider", name="rate, slider")).to_be_focused()
    page.get_by_role("button", name="Add dropout").press("Enter")
    page.get_by_role("button", name="Move dropout 2 up").press("Enter")
    expect(page.get_by_role("button", name="Move dropout 1 up")).to_be_focused()
    page.get_by_role("button", name="Remove dropout 1").press("Enter")
    expect(page.get_by_role("button", name="Add dropout")).to_be_focused()
    assert shown_recipe(page)["early_stopping"] == 1


@pytest.mark.parametrize("status", [503, 500])
def test_the_draft_stays_while_the_service_is_away(home: RunningHome, page: Page, status: int) -> None:
    page.route("**/v1/recipes/ingredients", lambda route: route.fulfill(status=status))
    page.goto(f"{home.url}/?page=new")
    expect(page.get_by_text(f"The service answered {status}.")).to_be_visible()
    assert_accessible(page)
    page.unroute("**/v1/recipes/ingredients")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("85,002")).to_be_visible()
    page.route("**/v1/runs?validate_only=true", lambda route: route.abort())
    page.get_by_label("name", exact=True).fill("away")
    expect(page.get_by_text("Your draft stays here")).to_be_visible()
    page.unroute("**/v1/runs?validate_only=true")
    expect(page.get_by_text("Your draft stays here")).to_have_count(0)
    assert shown_recipe(page)["name"] == "away"


def test_a_letter_draws_one_field_again(home: RunningHome, page: Page) -> None:
    open_form(page, home)
    expect(page.get_by_text("85,002")).to_be_visible()
    page.get_by_label("name", exact=True).fill("a")
    page.evaluate("""() => {
        window.changed = new Set();
        new MutationObserver((all) => all.forEach((each) => window.changed.add(each.target))).observe(
            document.querySelector("form"),
            {subtree: true, childList: true, attributes: true, characterData: true},
        );
    }""")
    page.get_by_label("name", exact=True).press("End")
    page.keyboard.type("bcd")
    expect(page.locator(".copy code")).to_contain_text("abcd")
    own = page.locator(".family").filter(has=page.get_by_label("name", exact=True))
    assert own.evaluate("(own) => [...window.changed].filter((each) => !own.contains(each)).length") == 0


@pytest.mark.parametrize("language", ["curl", "Command line", "Python"])
def test_each_language_submits_what_the_page_shows(home: RunningHome, page: Page, language: str) -> None:
    name = f"""it's "{language}" $HOME `id` !! \\ % 🥖 خبز"""
    open_form(page, home)
    paste(page, json.dumps({**QUICK, "name": name, "dropout": [0.5, {"type": "gaussian_noise", "std": 1e-7}]}))
    page.get_by_label(language, exact=True).check()
    text = page.locator(".copy code").inner_text()
    command = [sys.executable, "-c", text] if language == "Python" else ["sh", "-c", text]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, env={**os.environ, "PATH": path}, check=True, capture_output=True, timeout=100)
    [run] = [row for row in httpx.get(f"{home.url}/v1/runs", trust_env=False).json()["data"] if row["name"] == name]
    recipe = httpx.get(f"{home.url}/v1/runs/{run['id']}/recipe", trust_env=False).json()
    page.get_by_label("JSON", exact=True).check()
    shown = httpx.post(
        f"{home.url}/v1/runs",
        params={"validate_only": True},
        content=page.locator(".copy code").inner_text(),
        headers={"Content-Type": "application/json"},
        trust_env=False,
    )
    assert shown.json()["recipe"] == recipe
