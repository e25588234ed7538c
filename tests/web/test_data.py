from playwright.sync_api import Page, Route, expect

from tests.running_home import RunningHome
from tests.web.accessibility import assert_accessible

MARKUP = "<b>row 3</b> has an empty cell"


def test_a_card_says_what_is_in_a_data_set_and_leads_to_its_details(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=data")
    card = page.get_by_role("article").filter(has=page.get_by_role("link", name="digits", exact=True))
    expect(card).to_contain_text("1,797 rows · image · 8 × 8 pixels, grey · 10 classes")
    expect(card.get_by_role("img", name="10 classes, 174 to 183 rows each")).to_be_visible()
    expect(card.get_by_role("link", name="Use it")).to_have_attribute("href", "?page=new&dataset=digits")
    expect(card.get_by_role("link", name="Its runs")).to_have_attribute("href", "?dataset=digits")
    assert_accessible(page)
    card.get_by_role("link", name="digits", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="digits")).to_be_focused()
    expect(page.get_by_role("row", name="7 179")).to_be_visible()
    expect(page.get_by_text("the recipe cuts validation and test from it")).to_be_visible()
    expect(page).to_have_title("digits · Bakehouse")
    assert_accessible(page)


def test_a_filter_is_part_of_the_address(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=data")
    page.get_by_role("searchbox", name="Filter the data sets").fill("wines growers")
    expect(page.get_by_role("article")).to_have_count(1)
    assert page.url.endswith("find=wines%20growers")
    page.reload()
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("link", name="wine", exact=True)).to_be_visible()


def test_a_file_that_cannot_be_used_is_at_the_top_with_the_reason_as_text(home: RunningHome, page: Page) -> None:
    broken = {"id": "<i>houses", "status": "broken", "problem": MARKUP, "card": None}

    def add_broken(route: Route) -> None:
        answer = route.fetch().json()
        route.fulfill(json={"data": [*answer["data"], broken, {**broken, "id": "new", "status": "packing"}]})

    page.route("**/v1/datasets", add_broken)
    page.route("**/v1/datasets/*", lambda route: route.fulfill(json=broken))
    page.goto(f"{home.url}/?page=data")
    expect(page.locator(".notice").first).to_contain_text("<i>houses cannot be used")
    expect(page.locator(".notice").first).to_contain_text(MARKUP)
    expect(page.get_by_text("new is being packed for training")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="<i>houses").click()
    expect(page.get_by_role("heading", level=1, name="<i>houses")).to_be_visible()
    expect(page.get_by_text(MARKUP)).to_be_visible()
    expect(page.get_by_role("link", name="Use it")).to_have_count(0)
    assert_accessible(page)


def test_a_data_set_that_does_not_exist_says_so(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=data&id=nothing")
    expect(page.get_by_role("alert")).to_contain_text("There is no data set of that name.")
    page.get_by_role("link", name="All data").click()
    expect(page.get_by_role("heading", level=1, name="Data")).to_be_visible()
