"""What tests do on a page: open a view, read a chart, press keys until something has the focus."""

import re

from playwright.sync_api import Locator, Page, expect

# A page has fewer places for the focus than this.
MOST_STOPS = 200


def open_run(page: Page, url: str, run_id: str, **query: str) -> None:
    page.goto(f"{url}/?page=run&id={run_id}" + "".join(f"&{name}={value}" for name, value in query.items()))
    expect(page.locator(".run[data-status]")).to_be_visible()


def open_compare(page: Page, url: str, *run_ids: str) -> None:
    page.goto(f"{url}/?page=compare&runs={','.join(run_ids)}")
    expect(page.get_by_role("table").first).to_be_visible()


def expect_status(page: Page, status: str) -> None:
    expect(page.locator(".run")).to_have_attribute("data-status", status)


def chart(page: Page, title: str) -> Locator:
    return page.get_by_role("figure", name=title, exact=True)


def expect_rows(figure: Locator, at_least: int) -> None:
    """Waits until a chart has this many positions."""
    expect(figure).to_have_attribute("data-rows", re.compile(at_least_pattern(at_least)))


def at_least_pattern(number: int) -> str:
    """A regular expression of the whole numbers from `number` on."""
    digits = str(number)
    longer = rf"\d{{{len(digits) + 1},}}"
    same_length = [
        digits[:place] + (rf"[{int(digit) + 1}-9]" if digit < "9" else "(?!)") + rf"\d{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
    ]
    return f"^({'|'.join([digits, *same_length, longer])})$"


def drawn_rows(figure: Locator) -> int:
    return int(figure.get_attribute("data-rows") or 0)


def table_of(figure: Locator) -> list[list[str]]:
    """Opens the table of a chart, and returns the texts of its first 200 rows."""
    if not figure.get_by_role("table").count():
        figure.get_by_role("button", name="Table").click()
    rows = figure.locator("tbody tr")
    expect(rows.first).to_be_visible()
    texts: list[list[str]] = rows.evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((each) => each.innerText))"
    )
    return texts


def tab_to(page: Page, target: Locator, *, key: str = "Tab") -> None:
    """Presses Tab until something has the focus; raises AssertionError if the keyboard does not reach it."""
    for _ in range(MOST_STOPS):
        page.keyboard.press(key)
        if target.evaluate("(target) => target === document.activeElement"):
            return
    raise AssertionError(f"{key} does not lead to {target}")
