"""The page of settings."""

from tools.settings import PAGE, page


def test_the_page_says_what_the_class_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "`make docs` updates it"
