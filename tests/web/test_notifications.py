"""The browser's own notifications. A real one cannot be seen without a screen, so each is noted as it is made."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.running_home import RunningHome

SHORT = {"dataset": "digits", "architecture": "mlp", "epochs": 2, "name": "<b>two epochs"}
NOTE = """
window.shown = [];
window.Notification = class extends Notification {
  constructor(title, options) {
    super(title, options);
    window.shown.push({title, ...options, made: this});
  }
};
"""
HIDE = """
Object.defineProperty(document, "hidden", {get: () => true, configurable: true});
document.dispatchEvent(new Event("visibilitychange"));
"""
AwaitEnd = Callable[[str], Page]


@pytest.fixture
def await_end(home: RunningHome, context: BrowserContext) -> AwaitEnd:
    """Opens a page in which the user has asked for a notification of this run."""
    context.grant_permissions(["notifications"], origin=home.url)

    def open_page(run: str) -> Page:
        context.add_init_script(NOTE + f"localStorage.setItem('bakehouse:/:awaited', JSON.stringify(['{run}']));")
        page = context.new_page()
        page.goto(f"{home.url}/?page=data")
        return page

    return open_page


def shown(page: Page) -> list[str]:
    page.wait_for_function("window.shown.length > 0")
    titles: list[str] = page.evaluate("window.shown.map((each) => each.title)")
    return titles


def test_a_hidden_tab_notifies_of_the_end_of_a_run_and_a_click_shows_the_run(
    home: RunningHome, await_end: AwaitEnd
) -> None:
    run = home.post("/v1/runs", {**SHORT, "epochs": 100_000})["id"]
    page = await_end(run)
    page.wait_for_function("performance.getEntriesByType('resource').some((each) => each.name.includes('v1/runs/'))")
    page.evaluate(HIDE)
    home.post(f"/v1/runs/{run}/cancel")
    assert shown(page) == ["<b>two epochs was cancelled"]
    page.evaluate("window.shown[0].made.onclick()")
    expect(page).to_have_url(f"{home.url}/?page=run&id={run}")


def test_a_run_that_ended_while_no_tab_was_open_is_notified_of_once(home: RunningHome, await_end: AwaitEnd) -> None:
    run = home.post("/v1/runs", SHORT)["id"]
    home.wait_for(run, "succeeded")
    page = await_end(run)
    assert shown(page) == ["<b>two epochs has finished"]
    assert page.evaluate("localStorage.getItem('bakehouse:/:awaited')") == "[]"
    body = page.evaluate("window.shown[0].body")
    assert body == home.get(f"/v1/runs/{run}")["verdict"]["message"]
