from urllib.parse import urlsplit

from playwright.sync_api import Page, Route, expect

from tests.running_home import RunningHome
from tests.stored_runs import ENDLESS
from tests.web.accessibility import assert_accessible


def test_the_system_shows_who_trains_what_and_who_waits_as_it_changes(home: RunningHome, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.goto(f"{home.url}/?page=system")
    expect(page.get_by_text("No run waits")).to_be_visible()
    trained = home.submit(ENDLESS)
    waiting = home.submit(ENDLESS)
    worker = page.get_by_role("article")
    link = worker.get_by_role("link", name=trained)
    # A worker reports every few seconds.
    expect(link).to_have_attribute("href", f"?page=run&id={trained}", timeout=20_000)
    expect(page.get_by_role("listitem").filter(has_text=waiting)).to_contain_text("waits for a free worker")
    expect(page.get_by_role("heading", name="1 run waiting")).to_be_visible()
    assert_accessible(page)
    for run in (waiting, trained):
        home.post(f"/v1/runs/{run}/cancel")
    expect(page.get_by_text("No run waits")).to_be_visible()
    expect(page.get_by_role("link", name=trained)).to_have_count(0)
    # Runs change the workers and the queue, but not the checks.
    assert asked.count("/v1/system") == 1
    assert min(asked.count("/v1/workers"), asked.count("/v1/queues")) > 1


def test_what_is_wrong_comes_first_with_what_to_do(home: RunningHome, page: Page) -> None:
    rows = [
        {"name": "redis", "status": "ok", "found": "answers", "problem": None, "fix": None},
        {"name": "space", "status": "warning", "found": "1 GiB free", "problem": "It is low.", "fix": "Delete runs."},
        {"name": "workers", "status": "error", "found": "none", "problem": "No worker.", "fix": "Start <b>one</b>."},
    ]

    def add_rows(route: Route) -> None:
        route.fulfill(json={"status": "error", "version": "0.0.0", "data": rows})

    page.route("**/v1/system", add_rows)
    page.goto(f"{home.url}/?page=system")
    expect(page.get_by_text("2 problems:")).to_be_visible()
    expect(page.locator(".notice").first).to_contain_text("workers: none")
    expect(page.locator(".notice").first).to_contain_text("Start <b>one</b>.")
    assert_accessible(page)


def test_the_documentation_of_the_api_is_a_press_away(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=system")
    page.get_by_role("contentinfo").get_by_role("link", name="API documentation").click()
    expect(page).to_have_url(f"{home.url}/docs")
