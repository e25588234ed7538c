"""The page of problem types."""

from tools.problems import PAGE, page


def test_the_page_says_what_the_registry_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "`make docs` updates it"
