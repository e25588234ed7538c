"""Types and ranges in words."""

from typing import Any

import pytest

from bakehouse.recipe.ranges import allowed


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
        ({"anyOf": [{"$ref": "#/$defs/Crops"}, {"type": "null"}]}, "crops, or null"),
    ],
)  # fmt: skip
def test_ranges_are_in_words(schema: dict[str, Any], words: str) -> None:
    assert allowed(schema, str.lower) == words
