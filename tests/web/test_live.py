"""What is drawn while runs train: all of it, once, also after the tab was hidden or the service was killed."""

from playwright.sync_api import Page, expect

from bakehouse.client import Client
from tests.fake_worker import FakeWorker
from tests.processes import kill
from tests.running_home import RunningHome
from tests.running_service import RunningService
from tests.stored_runs import ENDLESS, Document
from tests.web.views import chart, drawn_rows, expect_rows, expect_status, open_run, table_of

FORTY: Document = {**ENDLESS, "epochs": 40}
SET_HIDDEN = """(isHidden) => {
    Object.defineProperty(document, "hidden", {configurable: true, get: () => isHidden});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def assert_all_epochs_are_drawn_once(page: Page, home: RunningHome, run_id: str) -> None:
    epochs = home.get(f"/v1/runs/{run_id}/metrics").json()["epochs"]["epoch"]
    figure = chart(page, "Loss")
    # The status of the run may be there before its curves are.
    expect_rows(figure, len(epochs))
    assert drawn_rows(figure) == len(epochs)
    assert [row[0] for row in table_of(figure)] == [str(epoch) for epoch in epochs]


def test_a_killed_service_leaves_no_gap_and_no_repeat_in_the_curves(home: RunningHome, page: Page) -> None:
    run_id = home.submit(FORTY)
    open_run(page, home.url, run_id)
    expect_rows(chart(page, "Loss"), 3)
    kill(home.child("service"))
    expect(page.get_by_text("The connection to the service is lost")).to_be_visible()
    expect_status(page, "succeeded")
    expect(page.get_by_text("The connection to the service is lost")).to_have_count(0)
    assert_all_epochs_are_drawn_once(page, home, run_id)
    steps = home.get(f"/v1/runs/{run_id}/metrics").json()["total"]["steps"]
    assert drawn_rows(chart(page, "Training loss by step")) == steps


def test_a_hidden_tab_closes_its_stream_and_resumes_without_a_gap(
    service: RunningService, client: Client, worker: FakeWorker, page: Page
) -> None:
    run = client.submit({"dataset": "iris", "architecture": "mlp", "epochs": 9})
    worker.claim(run.id)
    worker.log_losses(run.id, [3, 2])
    open_run(page, service.url, run.id)
    expect_rows(chart(page, "Loss"), 2)
    worker.log_losses(run.id, [1.5])
    expect_rows(chart(page, "Loss"), 3)
    with page.expect_event("requestfailed", lambda request: "/v1/events" in request.url):
        page.evaluate(SET_HIDDEN, True)
    worker.log_losses(run.id, [1.4, 1.3])
    assert drawn_rows(chart(page, "Loss")) == 3
    with page.expect_request(lambda request: "/v1/events" in request.url and "after=" in request.url):
        page.evaluate(SET_HIDDEN, False)
    expect_rows(chart(page, "Loss"), 5)
    worker.log_losses(run.id, [1.2])
    expect_rows(chart(page, "Loss"), 6)
    assert [row[:2] for row in table_of(chart(page, "Loss"))] == [
        [str(epoch), loss] for epoch, loss in enumerate(("3", "2", "1.5", "1.4", "1.3", "1.2"), start=1)
    ]


def test_a_tab_has_one_stream_however_many_pages_it_has_shown(
    service: RunningService, client: Client, worker: FakeWorker, page: Page
) -> None:
    run = client.submit({"dataset": "iris", "architecture": "mlp", "epochs": 9})
    worker.claim(run.id)
    worker.log_losses(run.id, [3, 2])
    open_streams = set[str]()
    page.on("request", lambda request: open_streams.add(request.url) if "/v1/events" in request.url else None)
    page.on("requestfailed", lambda request: open_streams.discard(request.url))
    page.goto(service.url)
    for name in ("System", "Runs"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    page.get_by_role("link", name=run.id, exact=True).click()
    expect_rows(chart(page, "Loss"), 2)
    worker.log_losses(run.id, [1])
    expect_rows(chart(page, "Loss"), 3)
    [stream] = open_streams
    assert run.id in stream
