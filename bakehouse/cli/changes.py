"""The `--set` changes: which fields they set, and commands in place of a change with several values.

`--set norm=none,batch_norm` asks for two runs. A run has one value in each field, so this is refused with the commands
that submit a run for each.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from math import prod
from typing import Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from bakehouse.cli.seeds import SEEDS, parse_seeds
from bakehouse.recipe.ingredient import variants
from bakehouse.recipe.problems import MalformedJson, RecipeError
from bakehouse.recipe.read import parse_json
from bakehouse.recipe.recipe import Recipe

MAX_COMMANDS = 12
FURTHER_FIELD = re.compile(r",\s*([a-z_][\w.]*=)")
Choices = dict[str, list[Any]]
"""The values of each field that is changed, by the field's path."""


class SeveralValues(RecipeError):
    """Raised if changes give a field several values; the message has a command for each."""

    def __init__(self, choices: Choices, command: str) -> None:
        seeds = choices.pop("seed") if len(choices.get("seed", [])) > 1 else []
        command = f"{command} --seeds {','.join(map(str, seeds))}" if seeds else command
        runs = [dict(zip(choices, values, strict=True)) for values in islice(product(*choices.values()), MAX_COMMANDS)]
        total = prod(len(values) for values in choices.values())
        counted = {**choices, "seed": seeds}
        given = " and ".join(f"{path} {len(values)} values" for path, values in counted.items() if len(values) > 1)
        lines = [f"--set gives {given}; several values are not a variant, so submit a run for each:"]
        lines += [f"  {command} {options(run)}".rstrip() for run in runs]
        lines += [f"  ... and {total - len(runs)} more"] if total > len(runs) else []
        lines += in_one_list(choices, command)
        lines += comparison(choices)
        super().__init__("\n".join(lines))


def read_changes(changes: Sequence[str], *, command: str) -> dict[str, Any]:
    """Returns the values of changes such as `norm.num_groups=4`, by path. Raises SeveralValues if a field has more than
    one; its message repeats `command`."""
    choices: Choices = {}
    for change in changes:
        path, equals, text = change.partition("=")
        if not (path and equals):
            raise typer.BadParameter(f"{change!r} is not of the form field=value", param_hint="--set")
        if FURTHER_FIELD.search(text) and not is_free_text(path):
            each = " ".join(f"--set {part}" for part in FURTHER_FIELD.sub(r"\n\1", change).split("\n"))
            raise typer.BadParameter(f"{change!r} sets several fields; give each its own: {each}", param_hint="--set")
        before = choices.get(path, [])
        choices[path] = before + [value for value in values_of(path, text) if value not in before]
    if any(len(values) > 1 for values in choices.values()):
        raise SeveralValues(choices, command)
    return {path: values[0] for path, values in choices.items()}


def values_of(path: str, text: str) -> list[Any]:
    """Returns the value that a text gives a field, or the several values that it lists."""
    value = parse_value(text)
    if is_free_text(path):
        return [value]
    if path == "seed" and isinstance(value, str) and SEEDS.fullmatch(value):
        return list(parse_seeds(value))
    if isinstance(value, str) and "," in value:
        pieces = [piece.strip() for piece in value.strip("[](){}").split(",")]
        return [parse_value(piece) for piece in pieces if piece] or [value]
    if isinstance(value, list) and len(value) > 1 and fields_at(path) and not takes_list(path):
        return value
    return [value]


def parse_value(text: str) -> Any:
    """Returns the JSON value of a text, or the text itself if it is not JSON."""
    try:
        return parse_json(text)
    except MalformedJson:
        return text


def is_free_text(path: str) -> bool:
    """Returns whether a field may contain any text, and thus commas: names, labels, and columns of a table."""
    steps = path.split(".")
    return steps[0] in ("name", "labels") or steps[-1] == "target"


def takes_list(path: str) -> bool:
    return any(has_tuple(field.annotation) for field in fields_at(path))


def has_tuple(annotation: object) -> bool:
    return get_origin(annotation) is tuple or any(has_tuple(inner) for inner in get_args(annotation))


def fields_at(path: str) -> list[FieldInfo]:
    """Returns the fields of the recipe language at a path, of all ingredients that can be there."""
    *parents, name = (step for step in path.split(".") if not step.isdecimal())
    owners = [Recipe]
    for step in parents:
        owners = [kind for owner in owners for kind in kinds_in(owner.model_fields.get(step))]
    return [owner.model_fields[name] for owner in owners if name in owner.model_fields]


def kinds_in(field: FieldInfo | None) -> Iterator[Any]:
    return iter(variants(field.annotation).values() if field else ())


def options(values: Mapping[str, Any]) -> str:
    """Returns the options that set fields to values."""
    return " ".join(f"--set {shlex.quote(f'{path}={value_text(value)}')}" for path, value in values.items())


def value_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def comparison(choices: Choices) -> list[str]:
    """Returns the command that compares the runs, if they differ in more than their seeds."""
    several = [path for path, values in choices.items() if len(values) > 1]
    options = " ".join(f"--group-by {path}" for path in several)
    return ["and compare them by the mean over the seeds:", f"  bakehouse compare {options}"] if several else []


def in_one_list(choices: Choices, command: str) -> list[str]:
    """Returns how one run gets all values, if the field with several values takes a list."""
    several = [path for path, values in choices.items() if len(values) > 1]
    if len(several) != 1 or not takes_list(several[0]):
        return []
    one = {path: values if path in several else values[0] for path, values in choices.items()}
    return ["or one run whose list has all of them:", f"  {command} {options(one)}"]
