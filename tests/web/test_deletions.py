"""Pages that are open while somebody else deletes a run."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from bakehouse.client import Client
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.web.accessibility import assert_accessible
from tests.web.views import open_compare, open_run


@pytest.fixture
def runs(client: Client, worker: FakeWorker) -> list[str]:
    runs = [client.submit({"dataset": "iris", "architecture": "mlp", "name": name}) for name in ("kept", "other")]
    for run in runs:
        worker.train(run.id)
    return [run.id for run in runs]


def test_the_row_of_a_deleted_run_goes(api: httpx.Client, service: RunningService, page: Page, runs: list[str]) -> None:
    page.goto(f"{service.url}/?ticked={','.join(runs)}")
    expect(page.get_by_text("2 runs ticked")).to_be_visible()
    expect(page.get_by_role("link", name="other", exact=True)).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    api.delete(f"/v1/runs/{runs[1]}").raise_for_status()
    expect(page.get_by_role("link", name="other", exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="kept", exact=True)).to_be_visible()
    expect(page.get_by_text("1 run ticked")).to_be_visible()


def test_the_page_of_a_deleted_run_says_so_and_asks_no_more(
    api: httpx.Client, service: RunningService, page: Page, runs: list[str]
) -> None:
    page.clock.install()
    open_run(page, service.url, runs[1])
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    api.delete(f"/v1/runs/{runs[1]}").raise_for_status()
    expect(page.get_by_text("This run has been deleted")).to_be_visible()
    assert_accessible(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(60_000)
    page.evaluate("new Promise(requestAnimationFrame)")
    assert asked == []


def test_a_comparison_names_the_run_that_was_deleted_and_goes_on_with_the_others(
    api: httpx.Client, service: RunningService, page: Page, worker: FakeWorker, client: Client, runs: list[str]
) -> None:
    live = client.submit({"dataset": "iris", "architecture": "mlp", "epochs": 9, "name": "live"})
    worker.claim(live.id)
    worker.log_losses(live.id, [3, 2])
    open_compare(page, service.url, *runs, live.id)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    api.delete(f"/v1/runs/{runs[1]}").raise_for_status()
    expect(page.get_by_text("Not here, or not any more")).to_contain_text(runs[1])
    # Not the best epoch, so that one cell alone says 3: where the run stops.
    worker.log_losses(live.id, [2.5])
    expect(page.get_by_role("row", name="live").get_by_role("cell", name="3", exact=True)).to_be_visible()
    page.get_by_role("button", name="Leave out").click()
    expect(page.get_by_text("not any more")).to_have_count(0)
    assert runs[1] not in page.url
