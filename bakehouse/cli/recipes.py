"""RECIPE, `--set` and `--seeds`: what the command line makes of a recipe before it is posted."""

import re
import sys
from pathlib import Path
from typing import Any

import typer
from pydantic import BeforeValidator

from bakehouse.client.client import require_object
from bakehouse.recipe.problems import MalformedJson
from bakehouse.recipe.read import parse_json
from bakehouse.recipe.recipe import Recipe

SEEDS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
MAX_SEEDS = 100


def load(source: str, changes: list[str]) -> dict[str, Any]:
    """The document in a file, or on standard input for `-`, with the `--set` changes."""
    try:
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {source}: {error.strerror}", param_hint="RECIPE") from error
    return changed(require_object(parse_json(text)), changes)


def changed(document: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    """The document with `norm.num_groups=4` and the like done to it, one after the other."""
    for change in changes:
        path, equals, text = change.partition("=")
        if not (path and equals):
            raise typer.BadParameter(f"{change!r} is not of the form field=value", param_hint="--set")
        document = put(document, path.split("."), value_of(text))
    return document


def value_of(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return parse_json(text)
    except MalformedJson:
        return text


def put(document: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """A copy with the value at the path; short forms on the way are spelt out, what is not there is made."""
    first, *rest = path
    if not rest:
        return {**document, first: value}
    spelt = spell_out(first, document[first]) if first in document else default_of(first)
    return {**document, first: put_below(spelt, rest, value, first)}


def put_below(here: Any, path: list[str], value: Any, where: str) -> Any:
    """The same inside a family: objects by field, lists by number, a list of one without it."""
    step, *rest = path
    if isinstance(here, list):
        return put_into_list(here, path, value, where)
    if isinstance(here, str):
        here = {"type": here}
    if not isinstance(here, dict):
        raise typer.BadParameter(f"{where} is {here}: it has no {step}", param_hint="--set")
    inner = put_below(here.get(step, {}), rest, value, f"{where}.{step}") if rest else value
    return {**here, step: inner}


def put_into_list(here: list[Any], path: list[str], value: Any, where: str) -> list[Any]:
    """One member is changed; which one must be said unless there is only one."""
    step, *rest = path
    if step.isdecimal() and int(step) < len(here):
        place = int(step)
    elif len(here) == 1 and not step.isdecimal():
        place, rest = 0, path
    else:
        raise typer.BadParameter(f"{where} has {len(here)} members: say which, {where}.0 and so on", param_hint="--set")
    member = put_below(here[place], rest, value, f"{where}.{place}") if rest else value
    return [*here[:place], member, *here[place + 1 :]]


def spell_out(name: str, value: Any) -> Any:
    """A short form as the recipe language reads it; what is no field of a recipe stays."""
    field = Recipe.model_fields.get(name)
    readers = [item for item in field.metadata if isinstance(item, BeforeValidator)] if field else []
    for reader in readers:
        value = reader.func(value)  # type: ignore[call-arg]
    return list(value) if isinstance(value, tuple) else value


def default_of(name: str) -> dict[str, Any]:
    """What a family is where a recipe does not mention it; of one that is off, what a bare number would be."""
    field = Recipe.model_fields.get(name)
    tag = getattr(field.default, "type", "none") if field else "none"
    if tag == "none":
        spelt = spell_out(name, 1)
        variant = spelt[0] if isinstance(spelt, list) else spelt
        tag = variant.get("type") if isinstance(variant, dict) else None
    return {"type": tag} if tag else {}


def seeds_of(text: str) -> list[int]:
    """`0-4`, `7`, `0,3,8-9`."""
    if not SEEDS.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not of the form 0-4 or 0,3,7", param_hint="--seeds")
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), min(int(last or first), int(first) + MAX_SEEDS) + 1)
    if not 0 < len(set(found)) <= MAX_SEEDS:
        raise typer.BadParameter(f"{text!r} is not 1 to {MAX_SEEDS} seeds", param_hint="--seeds")
    return list(dict.fromkeys(found))
