"""The log of a run of any length, as a person reads it."""

import re

from playwright.sync_api import Locator, Page, expect

from bakehouse.client import Client
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.web.accessibility import assert_accessible

STEPS = 100_000
FIRST_VISIBLE = """(list) => {
    const {top} = list.getBoundingClientRect();
    const row = [...list.querySelectorAll("tbody tr")].find((each) => each.getBoundingClientRect().top >= top);
    return [row.cells[0].innerText, Math.round(row.getBoundingClientRect().top - top)];
}"""


def log_run(client: Client, worker: FakeWorker, *, steps: int) -> str:
    """Logs many steps of a run, which still trains."""
    run = client.submit({"dataset": "iris", "architecture": "mlp", "epochs": 9})
    worker.claim(run.id)
    worker.log_epoch(run.id, 1)
    for first in range(1, steps, 1000):
        worker.log_steps(run.id, first, first + 999)
    return run.id


def log_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Events, the newest last")


def drawn(page: Page) -> list[int]:
    """The numbers of the events that are drawn."""
    texts = log_of(page).locator("tbody th").all_inner_texts()
    return [int(text) for text in texts]


def test_a_log_of_100_000_events_opens_at_its_end_follows_and_shows_older_ones_on_demand(
    service: RunningService, client: Client, worker: FakeWorker, page: Page
) -> None:
    run = log_run(client, worker, steps=STEPS)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if f"{run}/events" in request.url else None)
    head = worker.store.head(run)
    page.goto(f"{service.url}/?page=run&id={run}&tab=events")
    expect(log_of(page)).to_have_attribute("data-last", str(head))
    assert drawn(page) == list(range(head - 199, head + 1))
    assert len(requests) == 1
    worker.log_steps(run, STEPS + 1, STEPS + 2)
    expect(log_of(page)).to_have_attribute("data-last", str(head + 2))
    assert log_of(page).evaluate("(list) => list.scrollHeight - list.scrollTop - list.clientHeight") < 1
    assert_accessible(page)

    log_of(page).evaluate("(list) => list.scrollTop -= 1000")
    newest = page.get_by_role("button", name="Newest")
    expect(newest).to_be_enabled()
    before = log_of(page).evaluate(FIRST_VISIBLE)
    with page.expect_response(f"**/v1/runs/{run}"):
        worker.log_steps(run, STEPS + 3, STEPS + 9)
        worker.log_epoch(run, 2)
    assert log_of(page).evaluate(FIRST_VISIBLE) == before
    newest.click()
    expect(log_of(page)).to_have_attribute("data-last", str(head + 10))

    seen = set(drawn(page))
    for _ in range(12):
        first = min(drawn(page))
        page.get_by_role("button", name="Older").click()
        expect(log_of(page).locator("tbody th").first).not_to_have_text(str(first))
        rows = drawn(page)
        assert rows == list(range(rows[0], rows[0] + len(rows)))
        assert len(rows) <= 200
        # The row that was the first is where the user has scrolled to.
        assert int(log_of(page).evaluate(FIRST_VISIBLE)[0]) in (first, first + 1)
        seen.update(rows)
    assert seen == set(range(min(seen), head + 11))
    assert len(requests) <= 4


def test_rare_events_of_a_long_log_are_found_without_reading_the_others(
    service: RunningService, client: Client, worker: FakeWorker, page: Page
) -> None:
    run = log_run(client, worker, steps=5000)
    worker.log_epoch(run, 2)
    page.goto(f"{service.url}/?page=run&id={run}&tab=events")
    expect(log_of(page)).to_have_attribute("data-last", str(worker.store.head(run)))
    page.get_by_role("checkbox", name="step").uncheck()
    expect(log_of(page)).to_contain_text(re.compile(r"epoch 1:.*epoch 2:", re.DOTALL))
    expect(page.get_by_role("button", name="Older")).to_be_disabled()
    assert "step" not in log_of(page).locator("tbody tr td:nth-child(3)").all_inner_texts()
    expect(page).to_have_url(re.compile("without=step"))
    worker.log_epoch(run, 3)
    expect(log_of(page)).to_contain_text("epoch 3:")
