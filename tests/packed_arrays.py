"""The arrays of packed sets, with targets that a test names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakehouse.data.loading import load
from bakehouse.data.packed_folders import read_card
from bakehouse.data.parsed import Array
from bakehouse.plan.targets import resolve_targets
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.objective import Objective


@dataclass(frozen=True)
class WholeArrays:
    """The arrays of `Arrays`, in memory."""

    x: Array
    y: Array
    x_validation: Array | None
    y_validation: Array | None
    x_test: Array | None
    y_test: Array | None


def load_arrays(folder: Path, target: str | None = None, **objective: Any) -> WholeArrays:
    """The arrays for a recipe with this target and objective."""
    dataset = Dataset(id="set", target=target)
    arrays = load(folder, resolve_targets(read_card(folder), dataset, Objective.model_validate(objective)))
    inputs = (arrays.x_validation, arrays.x_test)
    x_validation, x_test = (None if each is None else each.whole() for each in inputs)
    return WholeArrays(arrays.x.whole(), arrays.y, x_validation, arrays.y_validation, x_test, arrays.y_test)
