"""Writes JSON for readers: the outer levels by line, and what is inside them on one line each."""

import json


def json_lines(value: object, levels: int, indent: str = "") -> str:
    """Returns JSON in which the objects and lists of so many outer levels have a line for each of their items."""
    if not levels or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = f"{indent}  "
    if isinstance(value, dict):
        items = (f"{json.dumps(name)}: {json_lines(item, levels - 1, inner)}" for name, item in value.items())
        return f"{{\n{inner}" + f",\n{inner}".join(items) + f"\n{indent}}}"
    return f"[\n{inner}" + f",\n{inner}".join(json_lines(item, levels - 1, inner) for item in value) + f"\n{indent}]"
