"""The list of runs: what a user does with it, with a fake worker that writes what a real one would."""

import httpx
from playwright.sync_api import Page, expect

from bakehouse.recipe.read import read_recipe
from bakehouse.runs.commands import RequestAction
from bakehouse.runs.record import new_run
from tests.fake_worker import FakeWorker
from tests.service.requests import create
from tests.web.accessibility import assert_accessible, assert_sound

NAMES = ("<b>bold</b> & co", "مرحبا بالعالم", "🥐 croissant")


def names_of(page: Page) -> list[str]:
    return page.locator("td.col-name a").all_inner_texts()


def test_names_are_shown_as_text_and_the_view_is_in_the_address(
    api: httpx.Client, worker: FakeWorker, page: Page
) -> None:
    runs = [create(api, name=name, seed=seed) for seed, name in enumerate(NAMES)]
    for run, loss in zip(runs, (0.3, 0.1, 0.2), strict=True):
        worker.train(run, [1, loss])
    page.goto(str(api.base_url))
    expect(page.locator("tbody tr")).to_have_count(3)
    assert names_of(page) == [*NAMES[::-1]]
    page.get_by_role("button", name="val. loss").click()
    expect(page.get_by_role("columnheader", name="val. loss")).to_have_attribute("aria-sort", "ascending")
    assert names_of(page) == [NAMES[1], NAMES[2], NAMES[0]]
    page.get_by_role("searchbox", name="Search").fill("bold")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Compare <b>bold</b>").check()
    page.reload()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("bold")
    expect(page.get_by_text("1 run ticked")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("searchbox", name="Search").fill("nothing has this")
    assert_accessible(page)
    page.get_by_role("button", name="Clear the filter").click()
    expect(page.locator("tbody tr")).to_have_count(3)


def test_a_list_that_is_sorted_by_the_best_value_says_where_values_do_not_compare(
    api: httpx.Client, worker: FakeWorker, page: Page
) -> None:
    for loss, losses in (("poisson", [30, 20]), ("squared_error", [9, 8])):
        worker.train(create(api, dataset="diabetes", objective={"loss": loss}, name=loss), losses)
    page.goto(f"{api.base_url}/?sort=best")
    expect(page.get_by_text("values of different ones do not compare")).to_be_visible()
    expect(page.locator("td.col-best small")).to_have_text(["poisson", "squared error"], use_inner_text=True)
    assert_sound(page)
    page.get_by_role("searchbox", name="Search").fill("squared")
    expect(page.get_by_role("columnheader", name="val. loss")).to_be_visible()
    expect(page.get_by_text("values of different ones do not compare")).to_have_count(0)


def test_a_row_follows_its_run_and_a_new_run_moves_nothing_that_is_pointed_at(
    api: httpx.Client, worker: FakeWorker, page: Page
) -> None:
    run = create(api, name="watched")
    page.goto(str(api.base_url))
    row = page.locator("tbody tr")
    expect(row.locator(".col-time")).to_have_text("place 1")
    row.hover()
    worker.claim(run)
    worker.log_losses(run, [0.5, 0.4])
    expect(row.locator(".status")).to_have_text("running")
    expect(row.locator(".col-epoch")).to_contain_text("2 of")
    create(api, name="new", seed=1)
    page.get_by_role("button", name="1 new run: show").wait_for()
    assert names_of(page) == ["watched"]
    page.get_by_role("button", name="1 new run: show").click()
    expect(row).to_have_count(2)
    assert names_of(page) == ["new", "watched"]
    worker.cancel(run)
    expect(row.nth(1).locator(".status")).to_have_text("cancelled")


def test_a_run_is_cancelled_and_deleted_by_keyboard(api: httpx.Client, worker: FakeWorker, page: Page) -> None:
    create(api, name="stays")
    run = create(api, name="goes", seed=1)
    page.goto(str(api.base_url))
    page.get_by_label("Actions for goes").press("Enter")
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.locator("tbody tr").first.locator(".status")).to_have_text("cancelled")
    page.get_by_label("Actions for goes").press("Enter")
    page.get_by_role("button", name="Delete …").press("Enter")
    dialog = page.get_by_role("dialog", name="Delete the run goes?")
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_label("Actions for goes").press("Enter")
    page.get_by_role("button", name="Delete …").press("Enter")
    dialog.get_by_role("button", name="Delete it").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert api.get(f"/v1/runs/{run}").status_code == 404


def test_a_thousand_runs_are_listed_with_few_rows_in_the_document(
    api: httpx.Client, worker: FakeWorker, page: Page
) -> None:
    recipe = read_recipe({"dataset": "digits", "architecture": "mlp"})
    for seed in range(1000):
        run = new_run(recipe.model_copy(update={"seed": seed}), advice=(), steps=1)
        stored = worker.store.create(run).run.id
        if seed != 0:
            worker.store.command(stored, RequestAction("cancel"))
    page.goto(str(api.base_url))
    expect(page.locator(".count")).to_have_text("1,000 runs")
    assert page.locator("tbody tr").count() < 50
    loaded = page.evaluate("performance.getEntriesByType('resource').map((each) => each.name)")
    assert not [address for address in loaded if "metrics" in address]
    page.keyboard.press("End")
    expect(page.locator('tr[aria-rowindex="1001"]')).to_be_visible()
    page.get_by_role("combobox", name="Status").select_option("queued")
    expect(page.locator(".count")).to_have_text("1 of 1,000 runs")
