"""Every state that a run can be in, and what a page shows that cannot show a run."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from bakehouse.client import Client, ClientRun
from bakehouse.runs.commands import Pause, RequestAction, Succeed
from tests.fake_worker import STEPS_PER_EPOCH, FakeWorker
from tests.running_service import RunningService
from tests.runs.examples import PROVENANCE
from tests.web.accessibility import NARROW, assert_sound
from tests.web.views import chart, expect_status, open_run

RECIPE = {"dataset": "digits", "architecture": "mlp", "epochs": 40, "early_stopping": 6}
LOSSES = (2.0, 1.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)

Bring = Callable[[FakeWorker, str], object]


def train_some(worker: FakeWorker, run_id: str) -> None:
    worker.claim(run_id)
    worker.log_losses(run_id, LOSSES)
    worker.save_best(run_id, 3, b"weights")


def pause(worker: FakeWorker, run_id: str) -> None:
    train_some(worker, run_id)
    worker.store.command(run_id, RequestAction("pause"))
    worker.store.command(run_id, Pause(run_id))


def stop_early(worker: FakeWorker, run_id: str) -> None:
    train_some(worker, run_id)
    worker.store.command(run_id, Succeed(run_id, "early_stopped", PROVENANCE))


def request_stop(worker: FakeWorker, run_id: str) -> None:
    train_some(worker, run_id)
    worker.store.command(run_id, RequestAction("stop"))


def cancel(worker: FakeWorker, run_id: str) -> None:
    train_some(worker, run_id)
    worker.cancel(run_id)


def fail(worker: FakeWorker, run_id: str) -> None:
    train_some(worker, run_id)
    worker.fail(run_id)


def wait_in_queue(worker: FakeWorker, run_id: str) -> None:
    assert worker.store.record(run_id).status == "queued"


# What brings a run into a state, its status there, what the page says, and the buttons that it offers.
STATES: tuple[tuple[Bring, str, str, set[str]], ...] = (
    (wait_in_queue, "queued", "Waiting: place 1 in the queue.", {"Cancel"}),
    (train_some, "running", "9 of 40", {"Stop, keep the best", "Pause", "Cancel"}),
    (request_stop, "running", "Stop requested. The worker will stop the run", set()),
    (pause, "paused", "Paused at epoch 9 of 40.", {"Resume", "Cancel"}),
    (stop_early, "succeeded", "Stopped early at epoch 9: the best was epoch 3; 31 of 40 epochs were not needed", set()),
    (cancel, "cancelled", "Cancelled after 9 epochs.", set()),
    (fail, "failed", "Failed after 9 epochs. The loss is not finite.", set()),
)
ACTIONS = {"Stop, keep the best", "Pause", "Resume", "Retry", "Cancel"}


@pytest.fixture
def run(client: Client) -> ClientRun:
    return client.submit(RECIPE)


@pytest.mark.parametrize(("bring", "status", "text", "actions"), STATES, ids=[each[0].__name__ for each in STATES])
def test_a_run_says_in_what_state_it_is_and_what_can_be_done(
    service: RunningService, run: ClientRun, worker: FakeWorker, page: Page,
    bring: Bring, status: str, text: str, actions: set[str],
) -> None:  # fmt: skip
    bring(worker, run.id)
    open_run(page, service.url, run.id)
    expect_status(page, status)
    expect(page.get_by_role("main").get_by_text(text).first).to_be_visible()
    buttons = page.locator(".run-actions").get_by_role("button").all_inner_texts()
    assert actions <= set(buttons)
    if status != "queued":
        expect(chart(page, "Loss")).to_have_attribute("data-rows", "9")
        expect(page.get_by_role("link", name="Download best")).to_be_visible()
    assert_sound(page)


@pytest.mark.parametrize("tab", ["layers", "data", "recipe", "events"])
def test_every_tab_of_a_run_can_be_opened_by_its_address(
    service: RunningService, run: ClientRun, worker: FakeWorker, page: Page, tab: str
) -> None:
    stop_early(worker, run.id)
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    open_run(page, service.url, run.id, tab=tab)
    assert page.evaluate("scrollY") == 0
    expect(page.get_by_role("tabpanel").get_by_role("status", name="Loading")).to_have_count(0)
    assert_sound(page)


def test_a_long_run_says_how_many_of_its_steps_are_drawn(
    service: RunningService, run: ClientRun, worker: FakeWorker, page: Page
) -> None:
    worker.claim(run.id)
    worker.log_steps(run.id, 1, 5000)
    worker.log_epoch(run.id, 5000 // STEPS_PER_EPOCH)
    open_run(page, service.url, run.id)
    figure = chart(page, "Training loss by step")
    shown = int(figure.get_attribute("data-rows") or 0)
    assert 100 < shown <= 4000
    expect(figure).to_contain_text(f"Shows {shown:,} of 5,000 steps.")


def test_a_run_that_does_not_exist_leads_back_to_the_runs(service: RunningService, page: Page) -> None:
    page.goto(f"{service.url}/?page=run&id=run_222222222222")
    expect(page.get_by_role("heading", level=1)).to_contain_text("There is no run “run_222222222222”")
    assert_sound(page)
    page.get_by_role("link", name="Go to the runs").click()
    expect(page.get_by_role("heading", level=1, name="Runs")).to_be_visible()


def refuse(route: Route) -> None:
    problem = {"type": "/problems/key_missing", "title": "Key missing", "status": 401, "detail": "Name an API key."}
    route.fulfill(status=401, body=json.dumps(problem), content_type="application/problem+json")


@pytest.mark.parametrize("query", ["", "?page=run&id=run_222222222222", "?page=compare&runs=run_222222222222",
                                   "?page=new", "?page=cookbook", "?page=data", "?page=system"])  # fmt: skip
def test_who_may_not_read_is_told_so_on_every_page(service: RunningService, page: Page, query: str) -> None:
    page.route("**/v1/**", refuse)
    page.goto(f"{service.url}/{query}")
    expect(page.get_by_role("heading", level=1)).to_have_text("This needs an API key")
    expect(page.get_by_role("main")).to_contain_text("Name an API key.")
    if query == "":
        assert_sound(page)


@pytest.mark.parametrize("query", ["", "?page=run&id=run_222222222222", "?page=compare&runs=run_222222222222",
                                   "?page=new", "?page=cookbook", "?page=data", "?page=system"])  # fmt: skip
def test_while_an_answer_is_awaited_its_place_is_grey_and_after_a_failure_there_is_a_way_out(
    service: RunningService, page: Page, query: str
) -> None:
    held: list[Route] = []
    answer: Callable[[Route], None] = held.append
    page.route("**/v1/**", lambda route: answer(route))  # noqa: PLW0108 - the answer is another one later
    page.goto(f"{service.url}/{query}")
    expect(page.locator(".skeleton").first).to_be_visible()
    assert_sound(page)
    answer = Route.abort
    for route in held:
        route.abort()
    expect(page.get_by_role("alert").first).to_contain_text("The service does not answer.")
    expect(page.locator(".skeleton")).to_have_count(0)
    assert_sound(page)
