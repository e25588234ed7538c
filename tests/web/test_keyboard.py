from playwright.sync_api import Locator, Page, expect

from tests.running_home import RunningHome
from tests.web.views import chart, expect_rows, expect_status, tab_to


def test_a_keyboard_alone_submits_a_recipe_reads_a_chart_and_compares_two_runs(home: RunningHome, page: Page) -> None:
    home.submit({"dataset": "iris", "architecture": "linear", "epochs": 2, "name": "of before"})
    page.goto(f"{home.url}/?page=system")
    press(page.get_by_role("link", name="New recipe", exact=True))
    train = page.get_by_role("button", name="Train", exact=True)
    expect(train).to_be_visible()
    tab_to(page, page.get_by_label("name", exact=True))
    page.keyboard.type("by keyboard")
    press(page.get_by_role("button", name="Train", exact=True))
    expect_rows(chart(page, "Loss"), 2)
    tab_to(page, chart(page, "Loss").get_by_role("group"))
    page.keyboard.press("t")
    expect(chart(page, "Loss").get_by_role("table")).to_be_visible()
    page.keyboard.press("End")
    expect(chart(page, "Loss").get_by_role("status")).to_contain_text("validation loss")
    expect_status(page, "succeeded")
    press(page.get_by_role("link", name="Runs", exact=True), key="Shift+Tab")
    for name in ("by keyboard", "of before"):
        tab_to(page, page.get_by_role("checkbox", name=f"Compare {name}").first)
        page.keyboard.press("Space")
    press(page.get_by_role("main").get_by_role("link", name="Compare", exact=True))
    expect(page.get_by_role("heading", level=1, name="Compare")).to_be_visible()
    expect(page.get_by_role("button", name="of before")).to_be_visible()


def press(target: Locator, *, key: str = "Tab") -> None:
    """Goes to a link or a button and presses it, with keys alone."""
    expect(target).to_be_visible()
    tab_to(target.page, target, key=key)
    target.page.keyboard.press("Enter")
