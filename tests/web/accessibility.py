"""Checks a page in every look that a user may see it in: for axe-core, and for parts that stick out of the screen."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
WIDE = (1280, 900)
NARROW = (360, 740)
Scheme = Literal["light", "dark"]
# After the first two, each rule has seen each width; contrast depends on the colours too.
LOOKS: tuple[tuple[tuple[int, int], Scheme], ...] = (
    (WIDE, "light"),
    (NARROW, "dark"),
    (NARROW, "light"),
    (WIDE, "dark"),
)
# Styles and media queries apply with the first frame, and what they make the page draw with the second.
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
FIRST_LOOK = "axe.run({rules: {'target-size': {enabled: true}}})"
OTHER_LOOK = (
    "axe.run({runOnly: ['color-contrast', 'target-size', 'link-in-text-block', 'scrollable-region-focusable']})"
)
# The rule, and what breaks it with the reason.
RESULT = """.then(({violations}) => violations.map(({id, nodes}) =>
    [id, nodes.map(({html, failureSummary}) => `${html.slice(0, 200)} ${failureSummary}`)]))"""
# What sticks out, innermost parts only: a part that scrolls by itself may be wider than the screen.
STICKING_OUT = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
    [...document.body.querySelectorAll('*')]
        .filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5 && !each.children.length)
        .map((each) => each.outerHTML.slice(0, 200))
        .concat([`the document is ${document.documentElement.scrollWidth} wide`])"""


@cache
def axe_source() -> str:
    return AXE.read_text(encoding="utf-8")


def assert_accessible(page: Page) -> None:
    """Raises AssertionError with each rule that the page breaks in its present state, and where."""
    page.evaluate(axe_source())
    page.evaluate(TWO_FRAMES)
    found = page.evaluate(f"{FIRST_LOOK}{RESULT}")
    assert not found, found


def assert_sound(page: Page) -> None:
    """Raises AssertionError if the page is not accessible or does not fit, wide or narrow, light or dark."""
    page.evaluate(axe_source())
    rules = FIRST_LOOK
    for (width, _), scheme in looks(page):
        found = page.evaluate(STICKING_OUT) + page.evaluate(f"{rules}{RESULT}")
        assert not found, f"{scheme}, {width} pixels wide: {found}"
        rules = OTHER_LOOK if (width, scheme) == (NARROW[0], "dark") else rules


def looks(page: Page) -> Iterator[tuple[tuple[int, int], Scheme]]:
    """Shows the page in each size and colour scheme, and at last as it was."""
    for size, scheme in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.evaluate(TWO_FRAMES)
        yield size, scheme
    page.emulate_media(color_scheme="light")
