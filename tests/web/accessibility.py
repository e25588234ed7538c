"""Checks a page with axe-core, as it is installed for `make check`."""

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


@cache
def axe_source() -> str:
    return AXE.read_text(encoding="utf-8")


def assert_accessible(page: Page) -> None:
    """Raises AssertionError with each rule that the page breaks in its present state, and where."""
    page.evaluate(axe_source())
    violations = page.evaluate("axe.run().then((result) => result.violations)")
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in violations] == []
