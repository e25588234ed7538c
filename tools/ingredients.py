# ruff: noqa: INP001
"""Writes `docs/ingredients.md` from the classes of the recipe language: `make docs`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.ingredients import Family, IngredientField, Variant, ingredients

PAGE = Path(__file__).parents[1] / "docs" / "ingredients.md"
HEAD = """\
# Ingredients

Everything that a recipe can be made of, as the program has it: `make docs` writes this page from the classes, and
`GET /v1/recipes/ingredients` gives the same as JSON. Required are `dataset` and `architecture`; the rest has defaults,
which the canonical recipe shows. A string stands for a variant with its defaults, a number for the field marked *main*,
one object for a list of one, null or `"none"` for going without.
"""
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
LENGTHS = {"minLength": "at least {} characters", "maxLength": "at most {} characters",
           "minItems": "at least {}", "maxItems": "at most {}"}  # fmt: skip


def page() -> str:
    """The whole page."""
    made_of = ingredients()
    lines = [HEAD, "| family | how many | variants |", "|---|---|---|"]
    lines += [row_of(family) for family in made_of.families]
    for family in made_of.families:
        lines += ["", f"## Family `{family.name}`", *section(family)]
    lines += ["", "## The recipe's own fields", "", *table(made_of.fields, main=None)]
    return "\n".join(lines) + "\n"


def row_of(family: Family) -> str:
    """A family in the first table."""
    number = "a list" if family.several else "one"
    number += ", required" if family.required else ""
    names = ", ".join(f"[`{variant.type}`](#{variant.type})" for variant in kinds(family) if variant.type)
    return f"| [`{family.name}`](#family-{family.name}) | {number} | {names} |"


def kinds(family: Family) -> list[Variant]:
    """Without the one that is none."""
    return [variant for variant in family.variants if variant.name != "Off"]


def section(family: Family) -> Iterator[str]:
    """A family: what it is by default, and its variants."""
    if family.default is not None and not isinstance(family.default, list):
        yield from ("", f"By default `{json.dumps(shortened(family.default))}`.")
    for variant in kinds(family):
        yield from described(variant, "###" if variant.type else None)


def shortened(default: Any) -> Any:
    """The type alone, where there is one."""
    return default["type"] if isinstance(default, dict) and "type" in default else default


def described(variant: Variant, heading: str | None) -> Iterator[str]:
    """A variant and the ingredients inside it; without a heading where the family's own serves."""
    if heading is not None:
        yield from ("", f"{heading} {variant.type or variant.name}")
    yield from ("", variant.sentence)
    if variant.description:
        yield from ("", variant.description)
    if variant.default_reason:
        yield from ("", f"**Default.** {variant.default_reason}")
    if variant.traps:
        yield from ("", "**Traps**", "", *(f"- {trap}" for trap in variant.traps))
    if variant.fields:
        yield from ("", *table(variant.fields, main=variant.main))
    if variant.advice:
        yield from ("", "**Advice**", "", *(f"- `{rule.code}`: {rule.about}" for rule in variant.advice))
    if variant.sources:
        yield from ("", f"*{'; '.join(variant.sources)}.*")
    for field in variant.fields:
        for inner in field.variants:
            if inner.name not in ("Off", "SavedCheckpoint"):
                yield from described(inner, "####")


def table(fields: tuple[IngredientField, ...], *, main: str | None) -> Iterator[str]:
    """A row a field."""
    yield from ("| field | default | range | meaning |", "|---|---|---|---|")
    for field in fields:
        name = f"`{field.name}`" + (" *main*" if field.name == main else "")
        default = "required" if field.required else f"`{json.dumps(shortened(field.default))}`"
        yield f"| {name} | {default} | {cell(allowed(field.json_schema))} | {cell(field.description)} |"


def cell(text: str) -> str:
    """A bar would end it."""
    return text.replace("|", "\\|")


def allowed(schema: dict[str, Any]) -> str:
    """A type and its range in a few words."""
    match schema:
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": values}:
            return ", ".join(f"`{json.dumps(value)}`" for value in values)
        case {"anyOf": choices} | {"oneOf": choices}:
            return " or ".join(dict.fromkeys(allowed(choice) for choice in choices))
        case {"prefixItems": items}:
            return f"a pair: {allowed(items[0])}"
        case {"type": "array", "items": items}:
            return f"a list: {allowed(items)}"
        case {"$ref": reference}:
            return f"`{reference.rpartition('/')[2]}`"
        case _:
            words = [schema.get("type", "anything")]
            words += [f"{sign} {number(schema[key])}" for key, sign in BOUNDS.items() if key in schema]
            words += [text.format(schema[key]) for key, text in LENGTHS.items() if key in schema]
            return " ".join(words)


def number(value: float) -> str:
    """Whole ones in full."""
    return f"{value:,d}" if isinstance(value, int) else f"{value:g}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
