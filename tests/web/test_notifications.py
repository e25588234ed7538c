"""The browser's own notifications. A real one cannot be seen without a screen, so each is logged as it is made."""

import json

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.running_home import RunningHome
from tests.stored_runs import ENDLESS, SHORT

LOG_NOTIFICATIONS = """
window.Notification = class extends Notification {
  constructor(title, options) {
    super(title, options);
    window.newest = this;
    console.info(JSON.stringify({title, body: options.body, tag: options.tag}));
  }
};
"""
HIDE = """
Object.defineProperty(document, "hidden", {get: () => true, configurable: true});
document.dispatchEvent(new Event("visibilitychange"));
"""


@pytest.fixture
def page(home: RunningHome, context: BrowserContext) -> Page:
    """A page that may show notifications."""
    context.grant_permissions(["notifications"], origin=home.url)
    page = context.new_page()
    page.add_init_script(LOG_NOTIFICATIONS)
    page.goto(f"{home.url}/?page=data")
    return page


def await_end(page: Page, run: str) -> None:
    """Lets the browser remember that the user wants a notification, as its button does."""
    page.evaluate("run => localStorage.setItem('bakehouse:/:awaited', JSON.stringify([run]))", run)


def test_a_hidden_tab_notifies_of_the_end_of_a_run_and_a_click_shows_the_run(home: RunningHome, page: Page) -> None:
    run = home.submit({**ENDLESS, "name": "<b>long"})
    page.goto(f"{home.url}/?page=run&id={run}")
    button = page.get_by_role("button", name="Notify when it ends")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    with page.expect_response("**/v1/events?*"):
        page.goto(f"{home.url}/?page=data")
    page.evaluate(HIDE)
    with page.expect_console_message(lambda message: message.type == "info") as logged:
        home.post(f"/v1/runs/{run}/cancel")
    assert json.loads(logged.value.text)["title"] == "<b>long was cancelled"
    page.evaluate("window.newest.onclick()")
    expect(page).to_have_url(f"{home.url}/?page=run&id={run}")


def test_the_ends_of_many_runs_are_awaited_from_the_list_and_from_a_comparison(home: RunningHome, page: Page) -> None:
    runs = [home.submit({**ENDLESS, "seed": seed}) for seed in range(2)]
    page.goto(f"{home.url}/?ticked={','.join(runs)}")
    page.get_by_role("button", name="Notify when they end").click()
    page.get_by_role("main").get_by_role("link", name="Compare", exact=True).click()
    button = page.get_by_role("button", name="Notify when they end")
    expect(button).to_have_attribute("aria-pressed", "true")
    assert sorted(json.loads(page.evaluate("localStorage.getItem('bakehouse:/:awaited')"))) == sorted(runs)
    button.click()
    assert page.evaluate("localStorage.getItem('bakehouse:/:awaited')") == "[]"


def test_of_several_hidden_tabs_one_follows_the_awaited_runs_and_nothing_else(
    home: RunningHome, context: BrowserContext, page: Page
) -> None:
    run = home.submit({**ENDLESS, "name": "long"})
    await_end(page, run)
    other = context.new_page()
    other.add_init_script(LOG_NOTIFICATIONS)
    streams: list[str] = []
    for tab in (page, other):
        tab.on("request", lambda request: streams.append(request.url) if "/v1/events" in request.url else None)
    with page.expect_request(lambda request: f"run={run}" in request.url):
        page.goto(home.url)
    other.goto(home.url)
    expect(other.get_by_text("Live", exact=True)).to_be_visible()
    streams.clear()
    with page.expect_request(lambda request: "/v1/events" in request.url):
        page.evaluate(HIDE)
    with other.expect_event("requestfailed", lambda request: "/v1/events" in request.url):
        other.evaluate(HIDE)
    [stream] = streams
    assert f"/v1/events?run={run}&type=end" in stream
    with other.expect_request(lambda request: f"/v1/events?run={run}&type=end" in request.url):
        page.close()
    with other.expect_console_message(lambda message: message.type == "info") as logged:
        home.post(f"/v1/runs/{run}/cancel")
    assert json.loads(logged.value.text)["title"] == "long was cancelled"


def test_where_notifications_are_blocked_the_button_says_so(home: RunningHome, browser: Browser) -> None:
    run = home.submit(ENDLESS)
    page = browser.new_page()
    page.goto(f"{home.url}/?page=run&id={run}")
    button = page.get_by_role("button", name="Notify when it ends")
    button.click()
    expect(page.get_by_text("Notifications are blocked.")).to_be_visible()
    expect(button).to_have_attribute("aria-pressed", "false")
    page.close()
    home.post(f"/v1/runs/{run}/cancel")


def test_a_run_that_ended_while_no_tab_was_open_is_notified_of_with_its_verdict(home: RunningHome, page: Page) -> None:
    run = home.submit({**SHORT, "name": "<b>short"})
    home.wait_for(run, "succeeded")
    await_end(page, run)
    with page.expect_console_message(lambda message: message.type == "info") as logged:
        page.reload()
    verdict = home.get(f"/v1/runs/{run}").json()["verdict"]
    assert json.loads(logged.value.text) == {"title": "<b>short has finished", "body": verdict["message"], "tag": run}
    assert page.evaluate("localStorage.getItem('bakehouse:/:awaited')") == "[]"
