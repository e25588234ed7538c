"""Finds the target that a profile is about: the fixed one, or the column of a table that is proposed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Samples, Table
from bakehouse.plan.card import DatasetCard, Task
from bakehouse.plan.columns import target_task
from bakehouse.plan.proposal import propose_target


@dataclass(frozen=True)
class Labels:
    """The target of a profile."""

    name: str
    """How messages name it."""
    where: str
    """JSON Pointer to its part of the card."""
    task: Task
    values: NDArray[np.float64]
    """A number for each training row, of classes any that tells them apart; nan where it is missing."""
    classes: tuple[str, ...] | None
    class_counts: tuple[int, ...] | None
    column: int | None = None
    """Its index among the columns of a table."""


def fixed_labels(samples: Samples, card: DatasetCard) -> Labels:
    """Returns the target of a data set that has a fixed one."""
    values = samples.arrays["y"].astype(np.float64)
    if card.task == "classification":
        values[values < 0] = np.nan
        return Labels("the target", "/classes", "classification", values, card.classes, card.class_counts)
    return Labels("the target", "/task", "regression", values, None, None)


def proposed_labels(table: Table, card: DatasetCard) -> Labels | None:
    """Returns the column of a table that a recipe could learn; None if there is none."""
    name = propose_target(card)
    if name is None:
        return None
    index = [column.name for column in table.columns].index(name)
    column = table.columns[index]
    task = target_task(column)
    classes, counts = (column.classes, column.class_counts) if task == "classification" else (None, None)
    return Labels(name, f"/columns/{index}", task, table.training[:, index], classes, counts, index)
