"""The recipe that a command submits: read from RECIPE, changed by `--set`, repeated by `--seeds`."""

import re
import sys
from pathlib import Path
from typing import Any

import typer
from pydantic import BeforeValidator

from bakehouse.client.documents import require_object
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import MalformedJson
from bakehouse.recipe.read import parse_json
from bakehouse.recipe.recipe import Recipe

SEEDS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
# A slip such as 0-99999 should not fill the queue.
MAX_SEEDS = 100


def read_document(source: str, changes: list[str]) -> JsonObject:
    """Reads the recipe from a file, or from standard input for `-`, and applies the `--set` changes."""
    try:
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {source}: {error.strerror}", param_hint="RECIPE") from error
    return apply_changes(require_object(parse_json(text)), changes)


def read_documents(source: str, changes: list[str], seeds: str | None) -> list[JsonObject]:
    """Reads a recipe as `read_document` does, and repeats it with each of the seeds."""
    document = read_document(source, changes)
    return [{**document, "seed": seed} for seed in parse_seeds(seeds)] if seeds else [document]


def apply_changes(document: JsonObject, changes: list[str]) -> JsonObject:
    """Applies changes such as `norm.num_groups=4` to a copy of the recipe, one after the other."""
    for change in changes:
        path, equals, text = change.partition("=")
        if not (path and equals):
            raise typer.BadParameter(f"{change!r} is not of the form field=value", param_hint="--set")
        document = set_field(document, path.split("."), parse_value(text))
    return document


def parse_value(text: str) -> Any:
    """Returns the JSON value of a text, or the text itself if it is not JSON."""
    try:
        return parse_json(text)
    except MalformedJson:
        return text


def set_field(document: JsonObject, path: list[str], value: object) -> JsonObject:
    """Returns a copy with the field at a path set; expands short forms and creates missing objects on the way."""
    family, *rest = path
    if not rest:
        return {**document, family: value}
    expanded = expand(family, document[family]) if family in document else default_of(family)
    return {**document, family: set_inside(expanded, rest, value, family)}


def set_inside(node: object, path: list[str], value: object, location: str) -> Any:
    """Returns a copy of a node with a field inside it set. A path has names for objects and indexes for lists; the
    index of a list of one may be left out."""
    step, *rest = path
    if isinstance(node, list):
        return set_in_list(node, path, value, location)
    # A string is the short form of an object with this type.
    if isinstance(node, str):
        node = {"type": node}
    if not isinstance(node, dict):
        raise typer.BadParameter(f"{location} is {node}, which has no field {step}", param_hint="--set")
    inner = set_inside(node.get(step, {}), rest, value, f"{location}.{step}") if rest else value
    return {**node, step: inner}


def set_in_list(items: list[Any], path: list[str], value: object, location: str) -> list[Any]:
    step, *rest = path
    if step.isdecimal() and int(step) < len(items):
        index = int(step)
    elif len(items) == 1 and not step.isdecimal():
        index = 0
        rest = path
    else:
        raise typer.BadParameter(
            f"{location} has {len(items)} items: name one as {location}.0, {location}.1, ...", param_hint="--set"
        )
    item = set_inside(items[index], rest, value, f"{location}.{index}") if rest else value
    return [*items[:index], item, *items[index + 1 :]]


def expand(family: str, value: object) -> Any:
    """Expands a short form as the recipe language does; the value of an unknown field is returned as it is."""
    field = Recipe.model_fields.get(family)
    readers = [item for item in field.metadata if isinstance(item, BeforeValidator)] if field else []
    for reader in readers:
        value = reader.func(value)  # type: ignore[call-arg]
    return list(value) if isinstance(value, tuple) else value


def default_of(family: str) -> JsonObject:
    """Returns the default variant of a family or, if the default is off, the variant that a bare number stands for."""
    field = Recipe.model_fields.get(family)
    tag = getattr(field.default, "type", "none") if field else "none"
    if tag == "none":
        expanded = expand(family, 1)
        variant = expanded[0] if isinstance(expanded, list) else expanded
        tag = variant.get("type") if isinstance(variant, dict) else None
    return {"type": tag} if tag else {}


def parse_seeds(text: str) -> list[int]:
    """Parses `0-4`, `7` or `0,3,8-9`."""
    if not SEEDS.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not of the form 0-4 or 0,3,7", param_hint="--seeds")
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        # A huge range is cut to just above the limit, so that it is refused without being built.
        seeds += range(int(first), min(int(last or first), int(first) + MAX_SEEDS) + 1)
    if not 0 < len(set(seeds)) <= MAX_SEEDS:
        raise typer.BadParameter(f"{text!r} does not give 1 to {MAX_SEEDS} seeds", param_hint="--seeds")
    return list(dict.fromkeys(seeds))
