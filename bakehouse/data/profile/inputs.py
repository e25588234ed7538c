"""Lists the inputs of a table: the columns from which a model can learn, or the features that have no names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Samples, Table
from bakehouse.plan.card import Column
from bakehouse.plan.columns import LEARNABLE
from bakehouse.recipe.patch import PatchStep


@dataclass(frozen=True)
class Input:
    """A column or feature of a table."""

    name: str
    """How messages name it."""
    where: str
    """JSON Pointer to its part of the card."""
    index: int
    column: str | None = None
    """The name by which a recipe can exclude it."""
    kind: str = "number"

    def values(self, contents: Samples | Table) -> NDArray[np.float64]:
        """Returns its values in the training rows."""
        values = contents.values if isinstance(contents, Table) else contents.arrays["x"]
        return values[:, self.index].astype(np.float64)


def list_inputs(contents: Samples | Table, target: int | None) -> list[Input]:
    """Returns the inputs of a table; of pictures and sequences, none."""
    match contents:
        case Table(columns=columns):
            return [
                Input(column.name, f"/columns/{index}", index, column.name, column.kind)
                for index, column in enumerate(columns)
                if index != target and column.kind in LEARNABLE and is_usable(column)
            ]
        case Samples(kind="table", arrays=arrays):
            return [Input(f"feature {index}", "/shape", index) for index in range(arrays["x"].shape[1])]
        case _:
            return []


def is_usable(column: Column) -> bool:
    """Whether the values of a column are numbers, or classes that the card lists."""
    return column.has_numbers or column.classes is not None


def exclude(inputs: Sequence[Input]) -> tuple[PatchStep, ...]:
    """Returns the patch that excludes columns; features without names cannot be excluded."""
    names = [each.column for each in inputs if each.column is not None]
    return tuple(PatchStep(op="add", path="/dataset/columns/exclude/-", value=name) for name in names)


def pointer_to(inputs: Sequence[Input]) -> str:
    """Returns the JSON Pointer to the one input, or to that which holds all of them."""
    return inputs[0].where if len({each.where for each in inputs}) == 1 else "/columns"
