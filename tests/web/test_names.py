"""What users write is shown as text, on every page, whatever it is."""

import pytest
from playwright.sync_api import Page, expect

from bakehouse.client import Client, ClientRun
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.web.accessibility import assert_sound

NAMES = (
    "<img src=x onerror=alert(1)><b>bold</b> &amp; </script>",
    "خبز بالزبدة (2) run",
    "🍞🥖 👩🏽‍🍳 right to left: לחם",
    "W" * 80,
)
RECIPE = {"dataset": "iris", "architecture": "mlp", "epochs": 3, "labels": {"author's<i>note</i>": "<u>ü</u> خبز 🥐"}}


@pytest.fixture
def runs(client: Client, worker: FakeWorker) -> list[ClientRun]:
    submitted = [client.submit({**RECIPE, "name": name, "seed": seed}) for seed, name in enumerate(NAMES)]
    for run in submitted:
        worker.train(run.id)
    return submitted


def test_names_are_text_in_the_list_and_in_comparisons(
    service: RunningService, runs: list[ClientRun], page: Page
) -> None:
    for query in ("", f"?page=compare&runs={','.join(run.id for run in runs)}"):
        page.goto(f"{service.url}/{query}")
        for name in NAMES:
            expect(page.get_by_role("row").get_by_text(name, exact=True)).to_be_visible()
        assert_sound(page)
    assert page.locator("img, main b, main i, main u").count() == 0


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_names_are_text_on_the_page_of_a_run_and_in_a_copy_of_its_recipe(
    service: RunningService, runs: list[ClientRun], page: Page, place: int
) -> None:
    name, run = NAMES[place], runs[place].id
    page.goto(f"{service.url}/?page=run&id={run}&tab=recipe")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator("pre")).to_contain_text("<u>ü</u> خبز 🥐")
    expect(page).to_have_title(f"{name} · Bakehouse")
    assert_sound(page)
    page.get_by_role("link", name="Clone and edit").click()
    expect(page.get_by_label("name", exact=True)).to_have_value(name)
    assert page.locator("img[src='x'], main b, main i, main u").count() == 0
