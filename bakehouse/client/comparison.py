"""Compares runs by the recipe fields that differ, and writes recipes in their short form."""

from collections.abc import Iterable, Mapping, Sequence

from bakehouse.client.reading import RunRecord
from bakehouse.model import JsonObject
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.short_form import short_form

NOT_COMPARED = {"name", "labels", "version"}


def compare(runs: Sequence[RunRecord]) -> list[JsonObject]:
    """Returns a row for each run: the recipe fields that differ between the runs, and the results."""
    fields = [flatten(without_names(run.plain_recipe)) for run in runs]
    names = differing_names(fields)
    return [
        {"id": run.id, "name": run.name, "status": run.status} | {name: row.get(name) for name in names} | results(run)
        for run, row in zip(runs, fields, strict=True)
    ]


def without_names(recipe: JsonObject) -> JsonObject:
    return {name: value for name, value in recipe.items() if name not in NOT_COMPARED}


def results(run: RunRecord) -> JsonObject:
    """Returns the best epoch with its metrics, the number of epochs, and the time."""
    best = run.best
    found = {"best_epoch": best.epoch, best.monitor: best.value, **best.metrics} if best else {}
    return {**found, "epochs": run.progress.epoch, "seconds": run.seconds}


def flatten(document: Mapping[str, object], prefix: str = "") -> JsonObject:
    """Turns `{"optimizer": {"lr": 0.1}}` into `{"optimizer.lr": 0.1}`; the items of a list are numbered."""
    flat: JsonObject = {}
    for key, value in document.items():
        inner = dict(enumerate(value)) if isinstance(value, list | tuple) else value
        if isinstance(inner, Mapping):
            flat |= flatten({str(name): item for name, item in inner.items()}, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def differing_names(rows: Iterable[Mapping[str, object]]) -> list[str]:
    """Returns the names whose values are not equal in all rows, in order of appearance."""
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if any(row.get(name) != rows[0].get(name) for row in rows)]


def short_recipe(recipe: Recipe | JsonObject) -> JsonObject:
    """Returns the fields of a recipe that differ from the default, each in a short form that the service accepts; all
    fields as they are if this version does not know the recipe."""
    if not isinstance(recipe, Recipe):
        return without_names(recipe)
    return {
        name: short_form(getattr(recipe, name))
        for name, field in Recipe.model_fields.items()
        if name not in NOT_COMPARED and getattr(recipe, name) != field.default
    }
