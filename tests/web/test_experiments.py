"""Questions about recipes: the list, one question while it is trained and when it is answered, and how one is asked."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.processes import wait_until
from tests.running_home import RunningHome
from tests.web.accessibility import assert_accessible

QUESTION = {
    "name": "norm <b>or</b> not",
    "recipe": {
        "dataset": "iris",
        "architecture": "mlp",
        "optimizer": {"type": "sgd", "lr": 0.1},
        "batch_size": 8,
        "epochs": 2,
    },
    "seeds": 2,
    "design": {
        "type": "variants",
        "variants": {"plain": {}, "batch norm": {"norm": "batch_norm"}, "far too fast": {"optimizer": {"lr": 1000}}},
    },
}


@pytest.fixture(scope="module")
def answered(started_home: RunningHome) -> dict[str, Any]:
    """An experiment that is over; two of its runs have failed."""
    experiment = started_home.post("/v1/experiments", QUESTION)
    path = f"/v1/experiments/{experiment['id']}"
    wait_until(lambda: started_home.get(path).json()["status"] == "finished")
    finished: dict[str, Any] = started_home.get(path).json()
    return finished


def open_experiment(page: Page, home: RunningHome, experiment: dict[str, Any], *, tab: str = "") -> None:
    page.goto(f"{home.url}/?page=experiments&id={experiment['id']}{tab}")
    expect(page.get_by_role("heading", level=1, name=str(experiment["name"]))).to_be_visible()


def test_a_first_question_is_asked_with_one_button_and_its_runs_are_watched_live(home: RunningHome, page: Page) -> None:
    page.route("**/v1/experiments?*", lambda route: route.fulfill(json={"data": [], "has_more": False}))
    page.goto(f"{home.url}/?page=experiments")
    first = page.get_by_role("button", name="What does each ingredient of the first recipe buy?")
    expect(page.get_by_text("bakehouse experiment run -")).to_be_visible()
    assert_accessible(page)
    first.click()
    expect(page.get_by_role("heading", name="what each ingredient of the first recipe buys")).to_be_visible()
    page.unroute("**/v1/experiments?*")
    expect(page.get_by_role("row", name="without dropout").first.get_by_role("link")).to_have_count(5)
    # The first run begins while the page is open.
    expect(page.locator(".run-grid .running")).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel its runs").click()
    expect(page.locator(".experiment")).to_have_attribute("data-status", "cancelled")
    page.get_by_role("button", name="Delete").click()
    # Another test may have trained one of them.
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"\d+ runs with curves, logs and weights go too"))
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("heading", level=1, name="Experiments")).to_be_focused()
    expect(page.get_by_role("link", name="what each ingredient of the first recipe buys")).to_have_count(0)


def test_an_answer_has_the_sentence_the_values_the_plot_and_the_reasons_of_failures(
    home: RunningHome, page: Page, answered: dict[str, Any]
) -> None:
    results = home.get(f"/v1/experiments/{answered['id']}/results").json()
    page.goto(f"{home.url}/?page=experiments")
    row = page.get_by_role("listitem").filter(has_text="norm <b>or</b> not")
    expect(row).to_contain_text("6 of 6 runs, 2 failed")
    expect(row).to_contain_text(results["sentence"])
    assert_accessible(page)
    row.get_by_role("link").click()
    expect(page.get_by_role("region", name="The answer")).to_have_text(results["sentence"])
    cell = page.get_by_role("link", name="batch norm, seed 1")
    expect(cell).to_contain_text("%")
    expect(page.locator(".run-grid .failed")).to_have_count(2)
    plot = page.get_by_role("figure", name="by arm")
    expect(plot.locator("circle.value")).to_have_count(4)
    plot.get_by_role("button", name="Table").press("t")
    expect(plot.get_by_role("row", name="batch norm")).to_contain_text(cell.inner_text().split()[-1])
    expect(page.get_by_role("region", name="Arms").get_by_role("row", name="batch norm")).to_contain_text("effect")
    expect(page.get_by_role("listitem").filter(has_text="far too fast, seed 0: ")).to_contain_text("not finite")
    assert_accessible(page)
    cell.press("Enter")
    expect(page.get_by_role("heading", level=1, name="batch norm, seed 1")).to_be_focused()


def test_an_answer_gets_more_seeds_and_a_failed_run_is_tried_again(
    home: RunningHome, page: Page, answered: dict[str, Any]
) -> None:
    open_experiment(page, home, answered)
    page.get_by_role("button", name="Retry far too fast, seed 0").click()
    # The new run fails like the first one, which it replaces.
    before = {run["run"] for run in answered["runs"]}
    wait_until(lambda: list_runs(home, answered) - before)
    expect(page.locator(".run-grid .failed")).to_have_count(2)
    expect(page.get_by_text("6 of 6 runs, 2 failed")).to_be_visible()
    page.get_by_role("button", name="Extend").click()
    page.get_by_label("Number of seeds to add").fill("1")
    expect(page.get_by_text("Adds 1 seed: 3 new runs")).to_be_visible()
    page.get_by_role("button", name="Train 3 runs").press("Enter")
    expect(page.get_by_role("row", name="plain").first.get_by_role("link")).to_have_count(3)
    expect(page.locator(".experiment")).to_have_attribute("data-status", "finished")
    expect(page.get_by_role("link", name="plain, seed 2")).to_contain_text("%")
    expect(page.get_by_text("9 of 9 runs, 3 failed")).to_be_visible()


def test_an_experiment_gets_a_further_arm_and_what_is_wrong_with_it_is_said_at_its_field(
    home: RunningHome, page: Page
) -> None:
    question = {**QUESTION, "name": "to be extended", "seeds": 1}
    experiment = home.post("/v1/experiments", {**question, "design": {"type": "variants", "variants": {"plain": {}}}})
    open_experiment(page, home, experiment)
    page.get_by_role("button", name="Extend").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Number of seeds to add").fill("0")
    expect(dialog.get_by_text("Nothing is added yet.")).to_be_visible()
    name, patch = dialog.get_by_label("Name of a further arm"), dialog.get_by_label("What it changes")
    name.fill("wet")
    patch.fill('{"dropot": 0.5}')
    expect(patch).to_have_accessible_description("in the arm 'wet': unknown field 'dropot'; did you mean 'dropout'?")
    expect(dialog.get_by_role("button", name="Extend")).to_be_disabled()
    assert_accessible(page)
    patch.fill("{}")
    expect(name).to_have_accessible_description("the arms 'plain' and 'wet' have the same canonical recipe")
    patch.fill("dropout")
    expect(patch).to_have_attribute("aria-invalid", "true")
    patch.fill('{"dropout": 0.5}')
    expect(dialog.get_by_text("Adds 1 arm (wet): 1 new run")).to_be_visible()
    dialog.get_by_role("button", name="Train 1 run").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("link", name="wet, seed 0")).to_contain_text("%")


def test_runs_that_wait_for_others_are_to_come_and_only_the_run_that_failed_is_tried_again(
    home: RunningHome, page: Page
) -> None:
    student = {"objective": {"distillation": {"teacher": {"arm": "teacher"}}}}
    # The students are the first arms, so that their rows are above that of their teacher.
    variants = {"small": {**student, "batch_size": 4}, "student": student, "teacher": {"optimizer": {"lr": 1000}}}
    question = {**QUESTION, "name": "taught in vain", "seeds": 1, "design": {"type": "variants", "variants": variants}}
    experiment = home.post("/v1/experiments", question)
    path = f"/v1/experiments/{experiment['id']}"
    wait_until(lambda: home.get(path).json()["status"] == "finished")
    page.goto(f"{home.url}/?page=experiments")
    expect(page.get_by_role("listitem").filter(has_text="taught in vain")).to_contain_text("3 of 3 runs, 1 failed")
    open_experiment(page, home, experiment)
    expect(page.locator(".experiment-progress")).to_have_text("3 of 3 runs, 1 failed, 2 not trained")
    expect(page.get_by_role("listitem").filter(has_text="The run was not trained because run_")).to_have_count(2)
    expect(page.get_by_role("button", name="Retry")).to_have_count(1)
    expect(page.get_by_role("button", name="Retry teacher, seed 0")).to_be_visible()
    assert_accessible(page)
    later = {"type": "variants", "variants": {**variants, "teacher": {"epochs": 5000}}}
    experiment = home.post("/v1/experiments", {**question, "name": "taught later", "design": later})
    path = f"/v1/experiments/{experiment['id']}"
    home.post(f"{path}/pause")
    wait_until(lambda: home.get(path).json()["status"] == "paused")
    page.goto(f"{home.url}/?page=experiments")
    expect(page.get_by_role("listitem").filter(has_text="taught later")).to_contain_text("0 of 3 runs")
    open_experiment(page, home, experiment)
    expect(page.locator(".experiment-progress")).to_contain_text("0 of 3 runs")


def test_an_experiment_is_renamed_and_its_runs_are_measured_as_one_model(
    home: RunningHome, page: Page, answered: dict[str, Any], tmp_path: Path
) -> None:
    variants = {"plain": {}, "batch norm": {"norm": "batch_norm"}}
    # The runs that were trained before are used again.
    question = {**QUESTION, "name": "of before", "design": {"type": "variants", "variants": variants}}
    assert answered["status"] == "finished"
    experiment = home.post("/v1/experiments", question)
    open_experiment(page, home, experiment)
    page.get_by_text("Name and priority").click()
    page.get_by_label("Name", exact=True).fill("renamed")
    page.get_by_label("At most").fill("2")
    assert_accessible(page)
    with page.expect_request(lambda request: request.method == "PATCH") as change:
        page.get_by_role("button", name="Save", exact=True).click()
    # A priority, even the present one, would be given to each run.
    assert change.value.post_data_json == {"name": "renamed", "max_running": 2}
    expect(page.get_by_role("heading", level=1)).to_have_text("renamed")
    found = home.get(f"/v1/experiments/{experiment['id']}").json()
    assert (found["name"], found["priority"], found["max_running"]) == ("renamed", 0, 2)
    page.get_by_role("combobox", name="Arm").select_option("batch norm")
    page.get_by_role("button", name="Measure").click()
    row = page.get_by_role("region", name="Ensembles").get_by_role("row", name="batch norm")
    expect(row).to_contain_text("arithmetic")
    assert_accessible(page)
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "ensemble.zip")
    assert "ensemble.py" in {Path(name).name for name in zipfile.ZipFile(tmp_path / "ensemble.zip").namelist()}


def list_runs(home: RunningHome, experiment: dict[str, Any]) -> set[str]:
    return {run["run"] for run in home.get(f"/v1/experiments/{experiment['id']}").json()["runs"]}


def test_the_curves_of_an_arm_are_a_band_and_the_document_can_be_posted_again(
    home: RunningHome, page: Page, answered: dict[str, Any]
) -> None:
    open_experiment(page, home, answered, tab="&tab=curves")
    expect(page.locator(".legend").get_by_role("button")).to_have_count(2)
    expect(page.locator("figure.chart")).to_have_attribute("data-rows", "2")
    assert_accessible(page)
    page.get_by_role("tab", name="Curves").press("End")
    text = page.locator("pre").first.inner_text()
    preview = httpx.post(f"{home.url}/v1/experiments?validate_only=true", json=json.loads(text), trust_env=False).json()
    assert (preview["runs"], preview["reused"]) == (3 * len(preview["seeds"]), 2 * len(preview["seeds"]))
    assert_accessible(page)


def test_sliders_say_what_other_early_stopping_would_have_done(
    home: RunningHome, page: Page, answered: dict[str, Any]
) -> None:
    open_experiment(page, home, answered, tab="&tab=what_if")
    answer = page.locator(".what-if-answer")
    expect(answer).to_contain_text("Patience 5")
    slider = page.get_by_label("Epochs without improvement")
    slider.press("Home")
    expect(answer).to_contain_text("Patience 1")
    row = page.get_by_role("region", name="What another criterion would have done").get_by_role("row", name="all runs")
    expect(row).to_contain_text(re.compile(r"\d of [46] runs"))
    assert_accessible(page)
    run = next(each for each in answered["runs"] if each["arm"] == "plain")["run"]
    page.goto(f"{home.url}/?page=run&id={run}&tab=what_if")
    slider.press("Home")
    question = {"early_stopping": [{"type": "patience", "patience": 1}]}
    expected = home.post(f"/v1/runs/{run}/what-if", question)["answers"][0]["sentence"]
    expect(answer).to_contain_text(expected[1:])
    page.get_by_role("radio", name="generalization loss").check()
    expect(answer).to_contain_text("Generalization_loss 5")
    expect(page.locator("figure.chart")).to_have_attribute("data-rows", "2")
    assert_accessible(page)


def test_a_recipe_becomes_an_experiment_from_its_run_and_from_the_form(
    home: RunningHome, page: Page, answered: dict[str, Any]
) -> None:
    run = next(each for each in answered["runs"] if each["arm"] == "batch norm")["run"]
    page.goto(f"{home.url}/?page=run&id={run}")
    page.get_by_role("button", name="Make an experiment").click()
    dialog = page.get_by_role("dialog", name="Make an experiment of this")
    expect(dialog).to_contain_text("2 arms × 5 seeds: 10 runs")
    expect(dialog).to_contain_text("Arms: recipe, without batch_norm.")
    page.get_by_role("radio", name="Is it chance?").check()
    page.get_by_label("Seeds").fill(str(len(answered["seeds"])))
    expect(dialog).to_contain_text("of them trained before")
    assert_accessible(page)
    page.get_by_role("radio", name="Which values are best?").check()
    page.get_by_label("Field", exact=True).fill("/nrom")
    expect(dialog.get_by_role("alert")).to_contain_text("nrom")
    expect(dialog.get_by_role("button", name="Train")).to_be_disabled()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("link", name="Clone and edit").click()
    page.get_by_role("button", name="Make an experiment of this").click()
    page.get_by_role("radio", name="Which values are best?").check()
    page.get_by_label("Field", exact=True).fill("/norm")
    page.get_by_label("Values", exact=True).first.fill("none, batch_norm")
    dialog.get_by_label("Seeds").fill("1")
    dialog.get_by_role("button", name="Answer without training").click()
    expect(page.get_by_role("heading", level=1, name="Which values are best?")).to_be_focused()
    # Both arms were trained before with this seed, so that the answer is there at once.
    expect(page.locator(".experiment")).to_have_attribute("data-status", "finished")
    expect(page.get_by_text("2 of 2 runs, 2 of them trained before")).to_be_visible()
    expect(page.get_by_text("↺: 2 runs had been trained before")).to_be_visible()


def test_an_experiment_that_is_not_there_or_cannot_be_read_says_why(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=experiments&id=exp_000000000000")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no experiment “exp_000000000000”")
    page.get_by_role("link", name="Go to the experiments").click()
    expect(page.get_by_role("heading", level=1, name="Experiments")).to_be_focused()

    def break_off(route: Route) -> None:
        route.abort()

    page.route("**/v1/experiments?*", break_off)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer.")
    assert_accessible(page)
    page.unroute("**/v1/experiments?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_have_count(0)
