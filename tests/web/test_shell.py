"""What surrounds every page: menu, focus, title, and what is shown when something goes wrong."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.running_home import RunningHome
from tests.web.accessibility import assert_accessible

Answer = Callable[[Route], None]


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def test_navigation_moves_the_focus_to_the_heading_but_the_first_load_does_not(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=data")
    heading(page, "Data")
    expect(page.locator("h1:focus")).to_have_count(0)
    page.get_by_role("link", name="System").click()
    expect(page.get_by_role("heading", level=1, name="System")).to_be_focused()
    expect(page).to_have_title("System · Bakehouse")
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="Data")).to_be_focused()
    expect(page).to_have_title("Data · Bakehouse")


def test_a_keyboard_alone_skips_the_menu_and_follows_it(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=data")
    heading(page, "Data")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="System").focus()
    page.keyboard.press("Enter")
    heading(page, "System")


def test_the_pages_fit_360_px(home: RunningHome, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(home.url)
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    for index in range(links.count()):
        links.nth(index).click()
        expect(links.nth(index)).to_have_attribute("aria-current", "page")
        page.wait_for_load_state("networkidle" if index == 0 else "load")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_page_that_throws_says_so_and_can_be_left(home: RunningHome, page: Page) -> None:
    page.route("**/v1/datasets", lambda route: route.fulfill(json={"data": 5}))
    page.goto(f"{home.url}/?page=data")
    heading(page, "This page has a defect")
    expect(page.get_by_role("alert")).to_contain_text("filter is not a function")
    assert_accessible(page)
    page.get_by_role("link", name="System").click()
    heading(page, "System")
    page.unroute("**/v1/datasets")
    page.get_by_role("link", name="Data").click()
    heading(page, "Data")
    expect(page.get_by_role("link", name="digits", exact=True)).to_be_visible()


def test_a_service_of_another_version_asks_to_reload(home: RunningHome, page: Page) -> None:
    response = page.request.get(f"{home.url}/v1/datasets")

    # Asking in here would leave a moment in which `unroute` answers the request first.
    def upgrade(route: Route) -> None:
        route.fulfill(response=response, headers={**response.headers, "bakehouse-version": "9.9.9"})

    page.goto(f"{home.url}/?page=data")
    expect(page.get_by_role("link", name="digits", exact=True)).to_be_visible()
    page.route("**/v1/datasets", upgrade)
    # An answer that comes after the one below would be of the older version again.
    with page.expect_response("**/v1/cookbook*"):
        page.get_by_role("link", name="Cookbook").click()
    page.get_by_role("link", name="Data").click()
    expect(page.get_by_text("The service is now Bakehouse 9.9.9")).to_be_visible()
    assert_accessible(page)
    page.unroute("**/v1/datasets")
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_role("link", name="digits", exact=True)).to_be_visible()
    expect(page.get_by_text("The service is now")).to_have_count(0)


def test_a_page_whose_code_is_gone_says_so_and_can_be_tried_again(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=data")
    heading(page, "Data")
    page.route("**/page/system-*.js", lambda route: route.fulfill(status=404))
    page.get_by_role("link", name="System").click()
    expect(page.get_by_role("heading", level=1, name="System")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("The service was replaced by another version")
    expect(page.get_by_role("button", name="Reload")).to_be_visible()
    assert_accessible(page)
    page.unroute("**/page/system-*.js")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Check again")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("status", [401, 403])
def test_data_that_a_key_protects_are_a_state_of_the_whole_page(home: RunningHome, page: Page, status: int) -> None:
    problem = {"type": "/problems/not_allowed", "title": "Not allowed", "status": status, "detail": "No key was sent."}
    refuse: Answer = lambda route: route.fulfill(  # noqa: E731
        status=status, content_type="application/problem+json", body=json.dumps(problem)
    )
    page.route("**/v1/datasets", refuse)
    page.goto(f"{home.url}/?page=data")
    heading(page, "This needs an API key")
    expect(page.get_by_text("No key was sent.")).to_be_visible()
    assert_accessible(page)
    page.unroute("**/v1/datasets")
    page.get_by_role("button", name="Try again").click()
    heading(page, "Data")
    expect(page.get_by_role("link", name="digits", exact=True)).to_be_visible()


def test_a_request_that_fails_says_why_and_can_be_repeated(home: RunningHome, page: Page) -> None:
    page.route("**/v1/datasets", lambda route: route.abort())
    page.goto(f"{home.url}/?page=data")
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer.")
    assert_accessible(page)
    page.unroute("**/v1/datasets")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name="digits", exact=True)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
