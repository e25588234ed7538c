"""Sends rows to predict in parts that the service takes, and puts the answers together."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from bakehouse.client.errors import RecipeRefused
from bakehouse.recipe.problems import Problem, path_of, pointer
from bakehouse.tasks.predictions import Prediction, TargetPrediction

MAX_ROWS = 1000
"""Number of rows that are sent at once. More would not be predicted faster."""
MAX_BYTES = 4 << 20

Rows = Sequence[Mapping[str, object] | Sequence[object]]


def is_frame(rows: object) -> bool:
    """Whether the rows are a DataFrame of pandas, which need not be installed."""
    return hasattr(rows, "to_dict") and hasattr(rows, "columns")


def list_rows(rows: Any) -> list[Any]:
    """Returns rows as JSON has them; those of a DataFrame as objects."""
    records = rows.to_dict("records") if is_frame(rows) else rows
    return [plain(row) for row in records]


def plain(value: Any) -> Any:
    """Returns a value as JSON has it: numbers of NumPy as numbers, dates as texts, and an empty cell of pandas as
    null."""
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            return None if value != value else value
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case dt.date():
            return None if value != value else value.isoformat()
        case _ if hasattr(value, "tolist"):
            return plain(value.tolist())
        case _:
            # What pandas has for an empty cell of other types prints as one of these.
            text = str(value)
            return None if text in ("<NA>", "NaT", "nan") else text


def parts_of(rows: Sequence[Any], sequence: str | None) -> Iterator[list[int]]:
    """Yields the places of the rows to send at once. The steps of a sequence, which have the same `sequence`, are sent
    together."""
    groups: dict[object, list[int]] = {}
    for place, row in enumerate(rows):
        is_step = sequence is not None and isinstance(row, dict)
        groups.setdefault(str(row.get(sequence)) if is_step else place, []).append(place)
    part: list[int] = []
    size = 0
    for places in groups.values():
        needed = sum(len(json.dumps(rows[place])) for place in places)
        if part and (len(part) + len(places) > MAX_ROWS or size + needed > MAX_BYTES):
            yield part
            part, size = [], 0
        part += places
        size += needed
    if part:
        yield part


def with_own_places(error: RecipeRefused, places: Sequence[int]) -> RecipeRefused:
    """Returns the error with pointers into all rows, given the places of those that were sent."""
    problems = tuple(moved(problem, places) for problem in error.errors)
    return type(error)(error.problem.model_copy(update={"errors": problems}))


def moved(problem: Problem, places: Sequence[int]) -> Problem:
    path = path_of(problem.pointer or "")
    if len(path) < 2 or path[0] != "rows" or not isinstance(path[1], int):
        return problem
    return problem.model_copy(update={"pointer": pointer(["rows", places[path[1]], *path[2:]])})


def columns_of(prediction: Prediction) -> dict[str, object]:
    """Returns a prediction as cells of a table: a column for the label and for each class, or for the value; those of
    further targets begin with their names."""
    cells: dict[str, object] = {} if prediction.sequence is None else {"sequence": prediction.sequence}
    targets: dict[str, TargetPrediction] = {"": prediction, **(prediction.further or {})}
    for name, target in targets.items():
        prefix = f"{name}_" if name else ""
        if target.value is not None or (target.label is None and target.probabilities is None):
            cells[f"{prefix}prediction"] = target.value
            continue
        cells[f"{prefix}prediction"] = target.label
        cells |= {f"{prefix}probability_{label}": share for label, share in (target.probabilities or {}).items()}
    return cells


def as_frame(predictions: Sequence[Prediction], rows: Any) -> Any:
    """Returns predictions as a DataFrame, with the index of the rows unless those are steps of sequences. If there are
    notes, a column has them."""
    cells = [columns_of(prediction) for prediction in predictions]
    if any(prediction.notes for prediction in predictions):
        notes = ["; ".join(prediction.notes) if prediction.notes else None for prediction in predictions]
        cells = [{**each, "notes": note} for each, note in zip(cells, notes, strict=True)]
    index = rows.index if len(cells) == len(rows) else None
    return import_module("pandas").DataFrame(cells, index=index)
