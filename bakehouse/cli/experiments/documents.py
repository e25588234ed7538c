"""Makes the documents of experiments from recipes and options."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import typer

from bakehouse.cli.changes import parse_value
from bakehouse.cli.recipes import read_document
from bakehouse.cli.seeds import parse_seeds
from bakehouse.client import Client
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import pointer
from bakehouse.recipe.read import read_recipe

RUN_ID = re.compile(r"run_[0-9a-z]{12}")
USUAL_SEEDS = "0-4"
NO_RECIPE = ("seed", "name", "labels")
"""Fields of a recipe that an experiment sets for each of its runs."""


def fields_of(*, seeds: str | None, no_reuse: bool = False, **fields: object) -> JsonObject:
    """Returns the fields of a document that the user has given as options."""
    chosen = {name: value for name, value in fields.items() if value is not None}
    if seeds is not None:
        chosen["seeds"] = parse_seeds(seeds)
        if seeds.isdecimal() and int(seeds) > 1:
            print(f"one seed, {seeds}; 0-{int(seeds) - 1} is {int(seeds):,} seeds", file=sys.stderr)
    return {**chosen, "reuse": False} if no_reuse else chosen


def read_experiment_file(source: str, fields: Mapping[str, object]) -> JsonObject:
    """Reads the document of an experiment, and replaces some of its fields."""
    document = read_document(source, [])
    if "design" not in document and "architecture" in document:
        raise typer.BadParameter(
            f"{source} is a recipe; `bakehouse experiment ablate {source}` asks what each of its ingredients is worth",
            param_hint="FILE",
        )
    return {**document, **fields}


def ablation(
    client: Client, source: str, changes: list[str], ingredients: Sequence[str], fields: JsonObject
) -> JsonObject:
    """Returns the document that asks what each ingredient of a recipe is worth."""
    name, recipe = read_base(client, source, changes)
    design: JsonObject = {"type": "ablation", **({"ingredients": list(ingredients)} if ingredients else {})}
    return {"name": f"what helps in {name}", **fields, "recipe": recipe, "design": design}


def grid(client: Client, source: str, changes: list[str], axes: Sequence[str], fields: JsonObject) -> JsonObject:
    """Returns the document that compares all combinations of values."""
    name, recipe = read_base(client, source, changes)
    design = {"type": "grid", "axes": read_axes(axes)}
    return {"name": f"grid of {name}", **fields, "recipe": recipe, "design": design}


def comparison(client: Client, sources: Sequence[str], changes: list[str], fields: JsonObject) -> JsonObject:
    """Returns the document that compares recipes; the first is the baseline."""
    if len(sources) < 2:
        raise typer.BadParameter("give at least two recipes to compare", param_hint="RECIPE")
    read = [read_base(client, source, changes) for source in sources]
    recipes = [canonical(recipe) for _, recipe in read]
    names = distinct([name for name, _ in read])
    variants = {name: difference(recipes[0], recipe) for name, recipe in zip(names, recipes, strict=True)}
    design = {"type": "variants", "variants": variants, "baseline": names[0]}
    return {"name": " or ".join(names)[:200], **fields, "recipe": recipes[0], "design": design}


def read_base(client: Client, source: str, changes: list[str]) -> tuple[str, JsonObject]:
    """Returns the name and the recipe of a file or of a run, without what an experiment sets."""
    if RUN_ID.fullmatch(source):
        record = client.run(source).record
        return record.name or source, without_seed(record.plain_recipe)
    document = read_document(source, changes)
    if "seed" in document:
        print(f"bakehouse: the seed {document['seed']} of {source} is left out, because --seeds has the seeds",
              file=sys.stderr)  # fmt: skip
    return "recipe" if source == "-" else Path(source).stem, without_seed(document)


def without_seed(recipe: JsonObject) -> JsonObject:
    return {name: value for name, value in recipe.items() if name not in NO_RECIPE}


def canonical(recipe: JsonObject) -> JsonObject:
    return without_seed(read_recipe(recipe).canonical())


def distinct(names: Sequence[str]) -> list[str]:
    """Returns names of which no two are equal: a repeated one gets a number."""
    found: list[str] = []
    for name in names:
        numbered = (name if number == 1 else f"{name} ({number})" for number in count(1))
        found.append(next(each for each in numbered if each not in found))
    return found


def difference(base: JsonObject, other: JsonObject) -> JsonObject:
    """Returns the merge patch that makes one canonical recipe of another. An object of another type replaces the old
    one, as everywhere in merge patches of recipes."""
    if base.get("type") != other.get("type"):
        return other
    patch: JsonObject = {name: None for name in base if name not in other}
    for name, value in other.items():
        old = base.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            inner = difference(old, value)
            if inner:
                patch[name] = inner
        elif value != old:
            patch[name] = value
    return patch


def read_axes(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Parses axes such as `/norm=none,batch_norm` or `optimizer.lr=0.1,0.01`."""
    axes: dict[str, list[Any]] = {}
    for text in texts:
        place, equals, values = text.partition("=")
        if not (place and equals and values):
            raise typer.BadParameter(f"{text!r} is not of the form /norm=none,batch_norm", param_hint="--axis")
        axes[place if place.startswith("/") else pointer(place.split("."))] = read_values(values)
    return axes


def read_values(text: str) -> list[Any]:
    """Returns the values of an axis: a JSON list, or values between commas."""
    whole = parse_value(text)
    if isinstance(whole, list):
        return whole
    # A comma inside of an object or a list does not end a value.
    listed = parse_value(f"[{text}]")
    return listed if isinstance(listed, list) else [parse_value(part.strip()) for part in text.split(",")]


def read_variants(texts: Sequence[str]) -> dict[str, Any]:
    """Parses variants such as `wet={"dropout": 0.5}`."""
    variants: dict[str, Any] = {}
    for text in texts:
        name, equals, patch = text.partition("=")
        value = parse_value(patch)
        if not (name and equals and isinstance(value, dict)):
            example = f"wet={json.dumps({'dropout': 0.5})}"
            raise typer.BadParameter(f"{text!r} is not of the form {example}", param_hint="--variant")
        variants[name] = value
    return variants
