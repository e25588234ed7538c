"""Runs beside each other: only what differs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bakehouse.recipe.ingredient import Ingredient
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Run

NOT_COMPARED = {"name", "labels", "version"}


def compare(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row a run: the recipe's fields that are not the same in all, and what came out."""
    fields = [flat(run.recipe.model_dump(mode="json", exclude=NOT_COMPARED)) for run in runs]
    names = differing(fields)
    return [
        {"id": run.id, "name": run.name, "status": run.status} | {name: each.get(name) for name in names} | outcome(run)
        for run, each in zip(runs, fields, strict=True)
    ]


def outcome(run: Run) -> dict[str, Any]:
    """The best epoch, its monitor, and the latest metrics."""
    best = {"best_epoch": run.best.epoch, f"best_{run.best.monitor}": run.best.value} if run.best else {}
    return {**best, **run.metrics, "epochs": run.progress.epoch, "seconds": run.seconds}


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"optimizer": {"lr": 0.1}}` as `{"optimizer.lr": 0.1}`; members of lists by number."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        inside = dict(enumerate(value)) if isinstance(value, list | tuple) else value
        if isinstance(inside, Mapping):
            found |= flat({str(name): item for name, item in inside.items()}, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def differing(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names whose values are not the same in all rows, in order of appearance."""
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if any(row.get(name) != rows[0].get(name) for row in rows)]


def choices(recipe: Recipe) -> dict[str, Any]:
    """The recipe's fields that are not the default, in the short form that could be posted."""
    return {
        name: brief(getattr(recipe, name))
        for name, field in Recipe.model_fields.items()
        if name not in NOT_COMPARED and getattr(recipe, name) != field.default
    }


def brief(value: Any) -> Any:
    """An ingredient as one would write it: its name, or an object with what is not its default."""
    if isinstance(value, tuple):
        return [brief(item) for item in value]
    if not isinstance(value, Ingredient):
        return value
    kind = type(value)
    fields = {
        name: brief(getattr(value, name))
        for name, field in kind.model_fields.items()
        if name != "type" and getattr(value, name) != field.default
    }
    if "type" not in kind.model_fields:
        return next(iter(fields.values())) if [*fields] == [kind.main] else fields
    tag = kind.model_fields["type"].default
    return {"type": tag, **fields} if fields else tag
