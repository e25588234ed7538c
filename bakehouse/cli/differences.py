"""`bakehouse diff`: the recipe fields and the results in which runs differ."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from bakehouse.cli.formats import format_duration, format_metric
from bakehouse.cli.output import print_json
from bakehouse.cli.tables import Column, table
from bakehouse.client import Client
from bakehouse.client.comparison import NOT_COMPARED
from bakehouse.model import JsonObject
from bakehouse.recipe.ingredient import Ingredient
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.short_form import short_form
from bakehouse.runs.run import Run

Values = dict[str, list[Any]]
"""By the name of a field, its value in each run."""


def print_differences(ids: Sequence[str], *, as_json: bool, fields: str | None) -> None:
    """Prints the differences between runs; says on stderr if there are none in the recipes."""
    with Client() as client:
        runs = [client.run(run_id).record for run_id in ids]
    if not recipe_differences(runs):
        print("the recipes do not differ", file=sys.stderr)
    if as_json or fields:
        print_json(differences(runs), fields)
    else:
        print(differences_table(runs))


def recipe_differences(runs: Sequence[Run]) -> Values:
    """Returns the fields of the recipes that are not equal in all runs, with their values in short forms. Ingredients
    of several types are one field: `norm` is `none` or `batch_norm`."""
    return dict(differing_fields(recipes_of(runs), ""))


def recipes_of(runs: Sequence[Run]) -> list[Any]:
    """Returns the recipes of the runs; all as JSON if this version does not know one of them."""
    recipes: list[Any] = [run.recipe for run in runs]
    if all(isinstance(recipe, Recipe) for recipe in recipes):
        return recipes
    return [recipe.canonical() if isinstance(recipe, Recipe) else recipe for recipe in recipes]


def differing_fields(values: list[Any], path: str) -> Iterator[tuple[str, list[Any]]]:
    if all(value == values[0] for value in values):
        return
    inner = inner_fields(values)
    if inner is None:
        yield path, [short_form(value) for value in values]
        return
    for name, items in inner.items():
        if path or name not in NOT_COMPARED:
            yield from differing_fields(items, f"{path}.{name}" if path else name)


def inner_fields(values: list[Any]) -> Values | None:
    """Returns the fields inside values that all have the same fields, and None for any other values."""
    if len({type(value) for value in values}) > 1:
        return None
    match values[0]:
        case Ingredient() as first:
            return {name: [getattr(value, name) for value in values] for name in type(first).model_fields}
        case dict() if len({value.get("type") for value in values}) == 1:
            names = dict.fromkeys(name for value in values for name in value)
            return {name: [value.get(name) for value in values] for name in names}
        case [Ingredient() | dict(), *_] if len({len(value) for value in values}) == 1:
            return {str(index): list(items) for index, items in enumerate(zip(*values, strict=True))}
        case _:
            return None


def field_value(run: Run, name: str) -> Any:
    """Returns the value of a field such as `norm`, `optimizer.lr` or `labels.owner` in short form, or None if the run
    does not have the field. The index of a list of one may be left out."""
    # A run's name and labels can change after its submission.
    changed = {"name": run.name, "labels": run.labels}
    [recipe] = recipes_of([run])
    node: Any = recipe.model_copy(update=changed) if isinstance(recipe, Recipe) else {**recipe, **changed}
    for step in name.split("."):
        if isinstance(node, tuple | list) and len(node) == 1 and not step.isdecimal():
            node = node[0]
        match node:
            case dict():
                node = node.get(step)
            case [*_] if step.isdecimal() and int(step) < len(node):
                node = node[int(step)]
            case Ingredient():
                node = getattr(node, step) if step in type(node).model_fields else None
            case _:
                return None
    return short_form(node)


def result_differences(runs: Sequence[Run]) -> Values:
    """Returns the results that are not equal in all runs. The metrics are those of the best epochs."""
    results = [results_of(run) for run in runs]
    names = dict.fromkeys(name for result in results for name in result)
    columns = {name: [result.get(name) for result in results] for name in names}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}


def results_of(run: Run) -> JsonObject:
    """Returns how a run ended, the best epoch with its metrics, and what may explain other results of one recipe."""
    results: JsonObject = {"status": run.status, "reason": run.reason}
    if run.best is not None:
        results |= {"best.epoch": run.best.epoch}
        results |= {f"best.{name}": value for name, value in best_metrics(run).items()}
    results |= {
        "epochs_done": run.progress.epoch,
        "seconds": run.seconds,
        "dataset_fingerprint": run.dataset_fingerprint,
    }
    if run.provenance is not None:
        results |= {"device": run.provenance.device, "threads": run.provenance.threads}
        results |= {f"versions.{name}": version for name, version in run.provenance.versions.items()}
    return results


def best_metrics(run: Run) -> dict[str, float | None]:
    """Returns the metrics of the best epoch; of runs of older versions, only the monitored one."""
    return {run.best.monitor: run.best.value, **run.best.metrics} if run.best else {}


def differences(runs: Sequence[Run]) -> JsonObject:
    """Returns the differences as JSON: by the name of a field, a list with its value in each run."""
    ids = [run.id for run in runs]
    return {"runs": ids, "recipe": recipe_differences(runs), "results": result_differences(runs)}


def differences_table(runs: Sequence[Run]) -> str:
    """Returns a table with a column for each run, first the fields of the recipes and then the results."""
    rows = [(name, *map(value_text, values)) for name, values in recipe_differences(runs).items()]
    rows += [
        (name, *(result_text(name, value) for value in values)) for name, values in result_differences(runs).items()
    ]
    return table([Column("FIELD", least=12), *(Column(run.id, least=10) for run in runs)], rows)


def value_text(value: object) -> str:
    """Returns a field's value as text: `batch_norm momentum=0.2`, `random_crop, cutout`, `0.001`."""
    match value:
        case str():
            return value
        case [int() | float() | list(), *_]:
            return json.dumps(value, separators=(",", ":"))
        case list():
            return ", ".join(map(value_text, value)) or "none"
        case dict():
            return " ".join(each if name == "type" else f"{name}={inner_text(each)}" for name, each in value.items())
        case _:
            return json.dumps(value, ensure_ascii=False)


def inner_text(value: object) -> str:
    return f"({value_text(value)})" if isinstance(value, dict) else value_text(value)


def result_text(name: str, value: Any) -> str:
    if value is None and not name.startswith("best."):
        return "-"
    if name == "seconds":
        return format_duration(value)
    if name.startswith("best.") and name != "best.epoch":
        return format_metric(name, value)
    return str(value)
