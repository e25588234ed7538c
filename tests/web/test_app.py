from playwright.sync_api import Page, expect

from tests.running_home import RunningHome
from tests.web.accessibility import assert_accessible


def test_the_page_shows_the_runs_first(home: RunningHome, page: Page) -> None:
    page.goto(home.url)
    expect(page.get_by_role("heading", level=1, name="Runs")).to_be_visible()
    expect(page).to_have_title("Runs · Bakehouse")
    assert_accessible(page)


def test_an_address_of_no_page_leads_back(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=nothing")
    page.get_by_role("link", name="Go to the runs").click()
    expect(page.get_by_role("heading", level=1, name="Runs")).to_be_visible()
    assert_accessible(page)
