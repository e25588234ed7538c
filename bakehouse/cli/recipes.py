"""The recipe that a command submits: read from RECIPE, changed by `--set`."""

import shlex
import sys
from pathlib import Path
from typing import Any

import typer
from pydantic import BeforeValidator

from bakehouse.cli.changes import read_changes
from bakehouse.cli.seeds import repeat_for_seeds
from bakehouse.client.documents import require_object
from bakehouse.data.errors import ARCHIVE_ENDINGS, ENDINGS
from bakehouse.model import JsonObject
from bakehouse.recipe.read import parse_json
from bakehouse.recipe.recipe import Recipe

RECIPE_ENDINGS = (".json", ".txt")
"""The endings of data files that the file of a recipe may have too."""
DATA_ENDINGS = (*ENDINGS, *ARCHIVE_ENDINGS, ".npy", ".xlsx", ".png", ".jpg")
"""The endings of data files, and of some that hold data but are none."""


def read_document(source: str, changes: list[str], seeds: str | None = None) -> JsonObject:
    """Reads the recipe from a file, or from standard input for `-`, and applies the `--set` changes. The seeds are only
    for a message that repeats the command."""
    if is_data(source):
        message = f"{source} is data. `bakehouse data add {shlex.quote(source)}` uploads it, and prints a recipe that "
        raise typer.BadParameter(f"{message}trains on it: docs/upload_data.md", param_hint="RECIPE")
    try:
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {source}: {error.strerror}", param_hint="RECIPE") from error
    command = with_seeds(f"bakehouse run {shlex.quote(source)}", seeds)
    return apply_changes(require_object(parse_json(text)), changes, command=command)


def is_data(source: str) -> bool:
    """Whether a path that was given for a recipe names data: by its ending, or because it is a folder."""
    name = source.lower()
    return (name.endswith(DATA_ENDINGS) and not name.endswith(RECIPE_ENDINGS)) or Path(source).is_dir()


def with_seeds(command: str, seeds: str | None) -> str:
    """Returns a command with its option for the seeds."""
    return command if seeds is None else f"{command} --seeds {shlex.quote(seeds)}"


def read_documents(source: str, changes: list[str], seeds: str | None) -> list[JsonObject]:
    """Reads a recipe as `read_document` does, and repeats it with each of the seeds."""
    return repeat_for_seeds(read_document(source, changes, seeds), seeds)


def apply_changes(document: JsonObject, changes: list[str], *, command: str) -> JsonObject:
    """Applies changes such as `norm.num_groups=4` to a copy of the recipe, one after the other. `command` is the
    command that is repeated if a change gives a field several values."""
    for path, value in read_changes(changes, command=command).items():
        document = set_field(document, path.split("."), value)
    return document


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
