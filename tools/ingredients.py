# ruff: noqa: INP001
"""Writes `docs/ingredients.md` from the classes of the recipe language: `make docs`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakehouse.ingredients import Family, IngredientField, Variant, ingredients, variant
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.ranges import allowed

PAGE = Path(__file__).parents[1] / "docs" / "ingredients.md"
HEAD = """\
# Ingredients

This page lists all ingredients of recipes. `make docs` writes it from the classes of the program, and `GET
/v1/recipes/ingredients` gives the same as JSON. `dataset` and `architecture` are required; all other fields have
defaults, which the canonical recipe shows. A string is short for a variant with its defaults, a number for the field
marked *main*, one object for a list of one; null or `"none"` switches a family off. *Advice* lists the rules that check
an ingredient; a recipe gets the advice of the rules that apply.
"""
CHECKPOINT = "A checkpoint of another run"


def page() -> str:
    """Returns the whole page."""
    made_of = ingredients()
    lines = [HEAD, "| family | how many | variants and parts |", "|---|---|---|"]
    lines += [row_of(family) for family in made_of.families]
    for family in made_of.families:
        lines += ["", f"## Family `{family.name}`", *section(family)]
    lines += ["", f"## {CHECKPOINT}", *description(variant(SavedCheckpoint))]
    lines += ["", "## The recipe's own fields", "", *table(made_of.fields, main=None)]
    return "\n".join(lines) + "\n"


def row_of(family: Family) -> str:
    """Returns the row of a family in the first table."""
    number = "a list" if family.several else "one"
    number += ", required" if family.required else ""
    names = [kind.type for kind in kinds(family) if kind.type]
    names += [heading for kind in kinds(family) for heading, _ in parts(family.name, kind)]
    return f"| {link(f'Family {family.name}', family.name)} | {number} | {', '.join(map(link, names))} |"


def link(heading: str, text: str | None = None) -> str:
    """Returns a link to a heading of this page, with the anchor that GitHub makes."""
    anchor = re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))
    return f"[`{text or heading}`](#{anchor})"


def kinds(family: Family) -> list[Variant]:
    """Returns the variants of a family except `none`."""
    return [kind for kind in family.variants if kind.name != "Off"]


def parts(path: str, whole: Variant) -> Iterator[tuple[str, Variant]]:
    """Yields the ingredients inside another ingredient, each with its heading."""
    for field in whole.fields:
        for part in field.variants:
            if part.name not in ("Off", SavedCheckpoint.__name__):
                inside = f"{path}.{field.name}"
                yield f"{inside} {part.type}" if part.type else inside, part
                yield from parts(inside, part)


def section(family: Family) -> Iterator[str]:
    """Yields the lines of a family's section: its default, its variants, and the ingredients inside them."""
    names = {kind.type for kind in kinds(family)}
    if names != {None} and not family.required:
        default = shortened(family.default)
        yield from ("", "None by default." if default in ("none", []) else f"By default {link(default)}.")
    for kind in kinds(family):
        yield from (("", f"### {kind.type}") if kind.type else ())
        yield from description(kind)
        for heading, part in parts(family.name, kind):
            yield from ("", f"{'####' if kind.type else '###'} {heading}", *description(part))


def shortened(default: Any) -> Any:
    """Returns a default as the tables show it: an ingredient by its type, a fraction rounded to four places."""
    match default:
        case {"type": name}:
            return name
        case [*items]:
            return [shortened(item) for item in items]
        case float():
            return round(default, 4) or default
        case _:
            return default


def description(kind: Variant) -> Iterator[str]:
    """Yields the lines below the heading of a variant."""
    yield from ("", kind.sentence)
    if kind.description:
        yield from ("", kind.description)
    if kind.default_reason:
        yield from ("", f"**Default.** {kind.default_reason}")
    if kind.traps:
        yield from ("", "**Traps**", "", *(f"- {trap}" for trap in kind.traps))
    if kind.fields:
        yield from ("", *table(kind.fields, main=kind.main))
    if kind.advice:
        yield from ("", "**Advice**", "", *(f"- `{rule.code}`: {rule.about}" for rule in kind.advice))
    if kind.sources:
        yield from ("", f"*{'; '.join(kind.sources)}.*")


def table(fields: tuple[IngredientField, ...], *, main: str | None) -> Iterator[str]:
    """Yields the lines of a table with a row for each field."""
    yield from ("| field | default | range | meaning |", "|---|---|---|---|")
    for field in fields:
        name = f"`{field.name}`" + (" *main*" if field.name == main else "")
        default = "required" if field.required else f"`{json.dumps(shortened(field.default))}`"
        yield f"| {name} | {default} | {cell(allowed(field.json_schema, part_named))} | {cell(field.description)} |"


def cell(text: str) -> str:
    """Escapes the bars in the text of a table cell, since a bar would end the cell."""
    return text.replace("|", "\\|")


def part_named(name: str) -> str:
    """Returns a link to the description of a class."""
    if name == SavedCheckpoint.__name__:
        return link(CHECKPOINT, "checkpoint")
    inside = [
        found for family in ingredients().families for kind in kinds(family) for found in parts(family.name, kind)
    ]
    return next(link(heading, part.type or heading) for heading, part in inside if part.name == name)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
