"""The page of one run, as a person uses it: live, with its states, by keyboard, and through failures of the service."""

from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.running_home import RunningHome
from tests.web.accessibility import assert_accessible

DIGITS: dict[str, Any] = {"dataset": "digits", "architecture": {"type": "mlp", "hidden": [32]}}
LONG = {**DIGITS, "epochs": 500, "early_stopping": None}
HEADS = ("Loss", "Accuracy")


def open_run(page: Page, home: RunningHome, run_id: str, view: str = "") -> None:
    page.goto(f"{home.url}/?page=run&id={run_id}{view}")


def chart(page: Page, title: str) -> Locator:
    return page.get_by_role("figure", name=title, exact=True)


def expect_points(page: Page, title: str, epochs: int) -> None:
    """Two lines with a point an epoch."""
    expect(chart(page, title)).to_have_attribute("data-points", str(2 * epochs))
    expect(chart(page, title)).to_have_attribute("data-rows", str(epochs))


def test_a_run_is_watched_until_it_stops_early_and_its_best_weights_are_downloaded(
    home: RunningHome, page: Page
) -> None:
    run_id = home.submit(
        {
            **DIGITS,
            "name": "<b>wide</b> شبكة 🍞",
            "epochs": 60,
            "early_stopping": 1,
            "optimizer": {"type": "adam", "lr": 0.02},
        }
    )
    open_run(page, home, run_id)
    expect(page.get_by_role("heading", level=1)).to_have_text("<b>wide</b> شبكة 🍞")
    expect(page.locator(".run")).to_have_attribute("data-status", "succeeded")
    record = home.wait_for(run_id, "succeeded")
    assert record.best is not None
    expect(
        page.get_by_text(f"Stopped early at epoch {record.progress.epoch}: the best was epoch {record.best.epoch}")
    ).to_be_visible()
    for title in HEADS:
        expect_points(page, title, record.progress.epoch)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download best").click()
    assert (
        Path(download.value.path()).read_bytes()
        == home.get(f"/v1/runs/{run_id}/checkpoints/best/model.safetensors").content
    )
    assert_accessible(page)
    page.reload()
    expect_points(page, "Loss", record.progress.epoch)


def test_a_run_is_paused_resumed_stopped_and_cloned(home: RunningHome, page: Page) -> None:
    run_id = home.submit(LONG)
    open_run(page, home, run_id)
    expect(chart(page, "Loss")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused at epoch")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".run")).to_have_attribute("data-status", "running")
    page.get_by_role("button", name="Stop, keep the best").click()
    expect(page.get_by_text("as asked; the best was epoch")).to_be_visible()
    expect_points(page, "Loss", home.wait_for(run_id, "succeeded").progress.epoch)
    page.get_by_role("link", name="Clone and edit").click()
    expect(page).to_have_url(f"{home.url}/?page=new&from={run_id}")


def test_a_queued_run_says_why_it_waits_and_is_cancelled_only_after_a_question(home: RunningHome, page: Page) -> None:
    first = home.submit(LONG)
    run_id = home.submit(LONG)
    open_run(page, home, run_id)
    expect(page.get_by_text("Waiting: place 1 in the queue")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator(".run")).to_have_attribute("data-status", "queued")
    page.get_by_role("button", name="Cancel").click()
    assert_accessible(page)
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_text("Cancelled after 0 epochs")).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    home.post(f"/v1/runs/{first}/cancel")


def test_a_run_that_diverges_names_the_step_and_offers_a_lower_rate(home: RunningHome, page: Page) -> None:
    run_id = home.submit({**DIGITS, "architecture": "mlp", "epochs": 3, "optimizer": {"type": "sgd", "lr": 100}})
    open_run(page, home, run_id)
    expect(page.get_by_text("The loss is not finite from step")).to_be_visible()
    expect(chart(page, "Training loss by step")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Clone with a lower learning rate").click()
    expect(page).to_have_url(f"{home.url}/?page=new&from={run_id}&patch=verdict")


def test_the_tabs_and_charts_are_used_by_keyboard(home: RunningHome, page: Page) -> None:
    diagnostics = ["variance_shift", "gradient_norms"]
    run_id = home.submit({**DIGITS, "norm": "batch_norm", "epochs": 4, "diagnostics": diagnostics})
    home.wait_for(run_id, "succeeded")
    open_run(page, home, run_id, "&x=step")
    plot = chart(page, "Loss").get_by_role("group")
    plot.press("End")
    expect(chart(page, "Loss").get_by_role("status")).to_contain_text("step 72: validation loss")
    # One cursor for all charts.
    expect(chart(page, "Accuracy").locator("li > span").first).not_to_be_empty()
    plot.press("t")
    expect(chart(page, "Loss").get_by_role("row")).to_have_count(5)
    assert_accessible(page)
    page.get_by_role("tab", name="Curves").press("ArrowRight")
    expect(chart(page, "Variance shift by norm layer")).to_have_attribute("data-points", "4")
    heat = chart(page, "Gradient norms")
    expect(heat).to_have_attribute("data-points", "8")
    heat.get_by_role("group").press("Home")
    expect(heat.get_by_role("status")).to_contain_text("epoch 1")
    assert_accessible(page)
    for title, text in (
        ("Data", "Splits"),
        ("What if", "nothing is trained"),
        ("Predict", "nothing is trained or stored"),
        ("Recipe", "canonical recipe"),
        ("Events", "weights of epoch"),
    ):
        page.get_by_role("tab", selected=True).press("ArrowRight")
        expect(page.get_by_role("tab", selected=True)).to_have_text(title)
        expect(page.get_by_text(text).first).to_be_visible()
        assert_accessible(page)


def test_a_run_that_is_not_there_or_is_deleted_says_so(home: RunningHome, page: Page) -> None:
    open_run(page, home, "run_222222222222")
    expect(page.get_by_role("heading", level=1, name="There is no run")).to_be_visible()
    assert_accessible(page)
    run_id = home.submit({**DIGITS, "epochs": 1})
    home.wait_for(run_id, "succeeded")
    open_run(page, home, run_id)
    expect(page.get_by_role("link", name="Download best")).to_be_visible()
    httpx.delete(f"{home.url}/v1/runs/{run_id}", trust_env=False).raise_for_status()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.get_by_text("This run has been deleted")).to_be_visible()
    assert_accessible(page)
