"""The page of ingredients."""

import re
from typing import Any

import pytest

from tools.ingredients import PAGE, allowed, page


def test_the_page_says_what_the_classes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "`make docs` updates it"


def test_its_links_lead_somewhere() -> None:
    text = page()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = [re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings]
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(anchors)
    assert len(set(anchors)) == len(anchors)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 65_536}, "integer, 1 to 65,536"),
        ({"type": "integer", "minimum": 0, "exclusiveMaximum": 2**32}, "integer, 0 to 4,294,967,295"),
        ({"type": "integer", "minimum": 1}, "integer, from 1"),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "number, 0 to below 1"),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "number, above 0, below 1"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1e6}, "number, above 0, up to 1,000,000"),
        ({"anyOf": [{"type": "number", "minimum": 0, "maximum": 0.5}, {"type": "null"}]}, "number, 0 to 0.5, or null"),
        ({"type": "string", "minLength": 1, "maxLength": 64}, "string of 1 to 64 characters"),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 64}, "list of up to 64 integers"),
        ({"$ref": "#/$defs/Crops"}, "[`evaluation.crops`](#evaluationcrops)"),
        ({"$ref": "#/$defs/Distance"}, "[`distance`](#curriculumscorer-distance)"),
    ],
)  # fmt: skip
def test_ranges_are_in_words(schema: dict[str, Any], words: str) -> None:
    assert allowed(schema) == words


def test_parts_inside_a_family_have_a_place_in_the_first_table() -> None:
    row = next(line for line in page().splitlines() if line.startswith("| [`objective`]"))
    assert re.findall(r"`objective\.(\w+)`", row) == ["label_smoothing", "adversarial", "distillation", "tasks"]
