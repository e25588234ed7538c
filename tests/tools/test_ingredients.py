"""The page of ingredients."""

import re

import pytest

from tools.ingredients import PAGE, page, part_named


def test_the_page_says_what_the_classes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "`make docs` updates it"


def test_its_links_lead_somewhere() -> None:
    text = page()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = [re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings]
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(anchors)
    assert len(set(anchors)) == len(anchors)


@pytest.mark.parametrize(
    ("name", "words"),
    [("Crops", "[`evaluation.crops`](#evaluationcrops)"), ("Distance", "[`distance`](#curriculumscorer-distance)")],
)
def test_a_part_is_a_link_to_its_description(name: str, words: str) -> None:
    assert part_named(name) == words


def test_parts_inside_a_family_have_a_place_in_the_first_table() -> None:
    row = next(line for line in page().splitlines() if line.startswith("| [`objective`]"))
    assert re.findall(r"`objective\.(\w+)`", row) == ["label_smoothing", "adversarial", "distillation", "tasks"]
