"""The page of ingredients."""

import re

from tools.ingredients import PAGE, page


def test_the_page_says_what_the_classes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "`make docs` writes it anew"


def test_its_links_lead_somewhere() -> None:
    text = page()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = [re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings]
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(anchors)
    assert len(set(anchors)) == len(anchors)
