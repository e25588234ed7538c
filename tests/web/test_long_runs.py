"""Runs of more epochs than a screen has pixels: every epoch counts, and the marks are where they belong."""

import httpx
from playwright.sync_api import Page, expect

from tests.fake_worker import FakeWorker
from tests.service.requests import create
from tests.web.views import chart, open_compare, open_run

EPOCHS = 2500
BEST = 2301


def test_every_epoch_of_a_long_run_is_shown_and_its_zoom_is_in_the_address(
    api: httpx.Client, worker: FakeWorker, page: Page
) -> None:
    run = create(api, epochs=5000)
    worker.claim(run)
    worker.log_many(run, [1 + abs(epoch - BEST) / 100 for epoch in range(1, EPOCHS + 1)])
    open_run(page, str(api.base_url), run, x="elapsed")
    loss = chart(page, "Loss")
    expect(loss).to_have_attribute("data-rows", str(EPOCHS))
    # Each epoch takes a second.
    expect(loss).to_contain_text("fell to 1 at 38 min 21 s")
    worker.log_epoch(run, EPOCHS + 1, validation_loss=0.5)
    expect(loss).to_have_attribute("data-rows", str(EPOCHS + 1))
    loss.get_by_role("group").press("+")
    page.wait_for_url(lambda url: "&zoom=" in url)
    address = page.url
    page.reload()
    expect(loss).to_have_attribute("data-rows", str(EPOCHS + 1))
    loss.get_by_role("group").press("+")
    page.wait_for_url(lambda url: url != address)
    loss.get_by_role("group").press("Escape")
    page.wait_for_url(lambda url: "zoom" not in url)
    open_compare(page, str(api.base_url), run)
    expect(page.locator("figure.chart")).to_have_attribute("data-points", str(EPOCHS + 1))
