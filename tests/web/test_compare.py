"""Runs side by side."""

import csv
from pathlib import Path

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.fake_worker import FakeWorker
from tests.running_home import RunningHome
from tests.service.requests import create
from tests.web.accessibility import assert_accessible
from tests.web.views import chart, expect_rows, open_compare

FORTY_EPOCHS = {"dataset": "digits", "architecture": {"type": "mlp", "hidden": [32]}, "epochs": 40}


def legend(page: Page) -> Locator:
    return page.locator(".legend button")


def colors(page: Page) -> list[str]:
    return [str(each.get_attribute("style")) for each in page.locator(".legend svg").all()]


def test_three_runs_are_watched_live_one_is_hidden_and_a_reload_shows_the_same(home: RunningHome, page: Page) -> None:
    runs = [home.submit({**FORTY_EPOCHS, "name": f"run {seed}", "seed": seed}) for seed in range(3)]
    open_compare(page, home.url, *runs)
    figure = chart(page, "Validation loss")
    expect_rows(figure, 2)
    expect(page.get_by_role("row").filter(has_text="running")).to_be_visible()
    first_color = colors(page)[0]
    first = figure.get_by_role("button", name="run 0")
    first.click()
    expect(first).to_have_attribute("aria-pressed", "false")
    assert colors(page)[0] == first_color
    for run in runs:
        home.wait_for(run, "succeeded")
    expect(figure).to_have_attribute("data-points", "120")
    expect(page.get_by_role("row").filter(has_text="succeeded")).to_have_count(3)
    page.get_by_role("radio", name="elapsed").check()
    figure.locator(".plot").press("+")
    page.wait_for_url(lambda url: "&x=elapsed" in url and "&zoom=" in url)
    view = page.url, colors(page)
    assert view[1][0] == first_color
    page.reload()
    expect(figure).to_have_attribute("data-points", "120")
    expect(first).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("radio", name="elapsed")).to_be_checked()
    assert (page.url, colors(page)) == view
    assert_accessible(page)
    figure.locator(".plot").press("Escape")
    page.wait_for_url(lambda url: "zoom" not in url)


def test_only_differences_are_shown_seeds_are_grouped_and_the_tables_are_saved(
    api: httpx.Client, worker: FakeWorker, page: Page, tmp_path: Path
) -> None:
    runs = [create(api, architecture="mlp", seed=seed, norm=norm) for norm in ("none", "batch_norm") for seed in (1, 2)]
    for run, losses in zip(runs, ([0.3, 0.2], [0.5, 0.4], [0.2, 0.1], [0.4, 0.3]), strict=True):
        worker.train(run, losses)
    page.goto(f"{api.base_url}/?page=compare&runs={','.join(runs)}&group=recipe")
    differences = page.get_by_role("region", name="Differences and results")
    expect(differences.get_by_role("columnheader", name="norm", exact=True)).to_be_visible()
    expect(differences.get_by_role("columnheader", name="seed", exact=True)).to_be_visible()
    expect(differences.get_by_role("columnheader", name="batch_size")).to_have_count(0)
    every_field = page.get_by_label("All fields of the recipes")
    every_field.check()
    expect(differences.get_by_role("columnheader", name="batch_size")).to_be_visible()
    page.reload()
    every_field.uncheck()
    expect(differences.get_by_role("columnheader", name="batch_size")).to_have_count(0)
    expect(legend(page)).to_contain_text(["(n = 2)", "(n = 2)"])
    groups = page.get_by_role("region", name="Groups").locator("tbody tr")
    expect(groups.first).to_contain_text("batch_norm")
    expect(groups.first).to_contain_text("0.2 ± 0.14")
    assert_accessible(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the table as CSV").click()
    path = tmp_path / "table.csv"
    download.value.save_as(path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["norm"], row["seed"], row["validation_loss"]) for row in rows] == [
        (runs[2], "batch_norm", "1", "0.1"), (runs[0], "none", "1", "0.2"),
        (runs[3], "batch_norm", "2", "0.3"), (runs[1], "none", "2", "0.4"),
    ]  # fmt: skip
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the chart as PNG").click()
    download.value.save_as(path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_compared_says_why(api: httpx.Client, worker: FakeWorker, page: Page) -> None:
    page.goto(f"{api.base_url}/?page=compare")
    expect(page.get_by_role("heading", name="Which runs?")).to_be_visible()
    assert_accessible(page)
    run = create(api)
    worker.train(run)
    page.goto(f"{api.base_url}/?page=compare&runs={run},run_222222222222")
    expect(page.get_by_text("Not here, or not any more: run_222222222222")).to_be_visible()
    page.get_by_role("button", name="Leave out").first.click()
    expect(page.get_by_text("Tick another run in the list to compare.")).to_be_visible()
    assert_accessible(page)
