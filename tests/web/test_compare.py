"""Runs side by side."""

import csv
from pathlib import Path

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.fake_worker import FakeWorker
from tests.service.requests import create
from tests.web.accessibility import assert_accessible


def legend(page: Page) -> Locator:
    return page.locator(".legend button")


def colors(page: Page) -> list[str]:
    return [str(each.get_attribute("style")) for each in page.locator(".legend svg").all()]


def test_three_runs_are_watched_live_one_is_hidden_and_a_reload_shows_the_same(
    api: httpx.Client, worker: FakeWorker, page: Page
) -> None:
    runs = [create(api, name=f"run {seed}", seed=seed, epochs=9) for seed in range(3)]
    for run in runs:
        worker.claim(run)
        worker.log_losses(run, [1, 0.8, 0.6, 0.5])
    page.goto(f"{api.base_url}/?page=compare&runs={','.join(runs)}")
    chart = page.locator("figure.chart")
    expect(chart).to_have_attribute("data-points", "12")
    before = colors(page)
    for run in runs:
        worker.log_epoch(run, 5, validation_loss=0.4)
    expect(chart).to_have_attribute("data-points", "15")
    legend(page).nth(1).click()
    expect(legend(page).nth(1)).to_have_attribute("aria-pressed", "false")
    assert colors(page) == before
    chart.locator(".plot").press("+")
    page.wait_for_url(lambda url: "&zoom=" in url)
    address = page.url
    page.reload()
    expect(chart).to_have_attribute("data-points", "15")
    expect(legend(page).nth(1)).to_have_attribute("aria-pressed", "false")
    assert (page.url, colors(page)) == (address, before)
    assert_accessible(page)
    chart.locator(".plot").press("Escape")
    page.wait_for_url(lambda url: "zoom" not in url)


def test_seeds_are_grouped_and_the_tables_are_saved(
    api: httpx.Client, worker: FakeWorker, page: Page, tmp_path: Path
) -> None:
    runs = [create(api, architecture="mlp", seed=seed, norm=norm) for norm in ("none", "batch_norm") for seed in (1, 2)]
    for run, losses in zip(runs, ([0.3, 0.2], [0.5, 0.4], [0.2, 0.1], [0.4, 0.3]), strict=True):
        worker.train(run, losses)
    page.goto(f"{api.base_url}/?page=compare&runs={','.join(runs)}&group=recipe")
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
    expect(page.get_by_text("Runs that do not exist here, or not any more: run_222222222222")).to_be_visible()
    page.get_by_role("button", name="Leave out").first.click()
    expect(page.get_by_text("This is one run.")).to_be_visible()
    assert_accessible(page)
