"""Describes the type and the range of a field in a few words, from its JSON Schema."""

import json
import re
from collections.abc import Callable

from bakehouse.model import JsonObject

NamePart = Callable[[str], str]
"""Returns the words for a part of a recipe, given the name of its class."""


def allowed(schema: JsonObject, name_part: NamePart) -> str:
    """Describes a type and its range: `number, 0 to 0.5, or null`."""
    match schema:
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": values}:
            return ", ".join(f"`{json.dumps(value)}`" for value in values)
        case {"anyOf": choices} | {"oneOf": choices}:
            return ", or ".join(dict.fromkeys(allowed(choice, name_part) for choice in choices))
        case {"prefixItems": items}:
            return f"pair of {several(items[0], name_part)}"
        case {"type": "array", "items": items}:
            return f"list{sized(schema, 'Items') or ' of'} {several(items, name_part)}"
        case {"$ref": reference}:
            return name_part(reference.rpartition("/")[2])
        case {"type": "string"}:
            pattern = f" like `{schema['pattern']}`" if "pattern" in schema else ""
            return "string" + sized(schema, "Length", " characters") + pattern
        case {"type": "boolean"}:
            return "`true`, `false`"
        case {"type": "integer" | "number" as kind}:
            return ", ".join(filter(None, (kind, span(schema))))
        case _:
            return str(schema["type"])


def several(items: JsonObject, name_part: NamePart) -> str:
    """Describes the type and range of list items, in the plural."""
    return re.sub(r"^(integer|number|list)", r"\1s", allowed(items, name_part))


def sized(schema: JsonObject, what: str, unit: str = "") -> str:
    """Describes the allowed length of a string or list: ` of 1 to 64`."""
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if least is None and most is None:
        return ""
    return f" of {least} to {most}{unit}" if least else f" of up to {most}{unit}"


def span(schema: JsonObject) -> str:
    """Describes the allowed range of a number: `1 to 64`, `above 0`."""
    inside = 1 if schema["type"] == "integer" else 0
    least = end(schema, "minimum", "exclusiveMinimum", "above ", inside)
    most = end(schema, "maximum", "exclusiveMaximum", "below ", -inside)
    if not most:
        return f"from {least}" if least else ""
    if least.startswith("above"):
        return f"{least}, {most}" if most.startswith("below") else f"{least}, up to {most}"
    return f"{least} to {most}"


def end(schema: JsonObject, closed: str, open_: str, word: str, inside: int) -> str:
    """Describes one end of a range, for integers by the last allowed number; empty if there is no limit."""
    if closed in schema:
        return number(schema[closed])
    if open_ in schema:
        return number(schema[open_] + inside) if inside else word + number(schema[open_])
    return ""


def number(value: float) -> str:
    """Formats a number; whole numbers have all their digits."""
    return f"{int(value):,d}" if value == int(value) else f"{value:g}"
