"""Who asks the system for less motion sees none."""

from playwright.sync_api import Browser, Page

from tests.running_service import RunningService

# Names of the animations that last, and of the elements whose changes take time or whose scrolling does.
MOVING = """() => [
    ...document.getAnimations()
        .filter((each) => each.effect.getComputedTiming().activeDuration > 0)
        .map((each) => each.animationName ?? each.transitionProperty),
    ...[...document.querySelectorAll("*")]
        .filter((each) => {
            const { transitionDuration, scrollBehavior, appearance } = getComputedStyle(each);
            const isTimed = transitionDuration.split(",").some((time) => parseFloat(time) > 0);
            // Browsers move the bar of an unknown amount by themselves.
            const isBar = each.matches("progress:indeterminate") && appearance !== "none";
            return isTimed || scrollBehavior === "smooth" || isBar;
        })
        .map((each) => each.tagName),
]"""
INSPECTED = {"id": "data_0", "name": "new", "version": 1, "status": "inspecting", "upload": {"received_bytes": 9}}
VIEWS = ["", "?page=data", "?page=new", "?page=system", "?page=compare&runs=run_000000000000", "?page=cookbook"]


def moving_while_loading(page: Page, url: str) -> list[str]:
    """Opens a page whose answers never arrive."""
    page.route("**/v1/**", lambda _: None)
    page.goto(url)
    page.locator(".skeleton").first.wait_for()
    found: list[str] = page.evaluate(MOVING)
    page.unroute_all()
    return found


def test_with_reduced_motion_nothing_moves_on_any_page(service: RunningService, page: Page) -> None:
    for view in VIEWS:
        assert moving_while_loading(page, f"{service.url}/{view}") == [], view
        page.goto(f"{service.url}/{view}")
        page.get_by_role("heading", level=1).wait_for()
        assert page.evaluate(MOVING) == [], view


def test_with_reduced_motion_the_bar_of_an_unknown_amount_stands_still(service: RunningService, page: Page) -> None:
    page.route("**/v1/datasets", lambda route: route.fulfill(json={"data": [INSPECTED]}))
    page.goto(f"{service.url}/?page=data")
    page.get_by_role("progressbar").wait_for()
    assert page.evaluate(MOVING) == []


def test_without_that_wish_the_skeleton_breathes(service: RunningService, browser: Browser) -> None:
    with browser.new_context(reduced_motion="no-preference") as context:
        assert "breathe" in moving_while_loading(context.new_page(), service.url)
