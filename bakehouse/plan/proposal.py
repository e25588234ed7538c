"""Proposes the column of a table that a recipe could learn."""

import re

from bakehouse.plan.card import Column, DatasetCard
from bakehouse.plan.columns import LEARNABLE, TARGET_KINDS, target_task

MIN_LABELS = 10
"""Least number of rows with a label, the same as the least number of rows of a data set."""
MIN_ROWS_OF_CLASS = 2
TARGET_NAMES = re.compile(
    r"target|labels?|class(es)?|y|outcome|response|result|species|survived|diagnosis|status|default|churn|(is_)?fraud"
    r"|quality|price|income|medv",
    re.IGNORECASE,
)
"""Names by which tables call what is to be learned."""
FEW_CLASSES = range(2, 21)


def propose_target(card: DatasetCard) -> str | None:
    """Returns a column that can be learned: the last with the name of a target, else the last that has up to 20
    classes, else the last of numbers; one with a class of a single row only if there is no other. Returns None if there
    is none, or if the target of the set is fixed."""
    columns = card.columns or ()
    learned = [column for column in columns if _can_be_learned(column, card.counts.train)]
    # A recipe that learns a class of one training row, or of none, is refused.
    possible = [column for column in learned if not _has_rare_class(column)] or learned
    named = [column for column in possible if TARGET_NAMES.fullmatch(column.name)]
    classes = [column for column in possible if not column.has_numbers and len(column.classes or ()) in FEW_CLASSES]
    numbers = [column for column in possible if column.has_numbers]
    best = (named or classes or numbers or possible)[-1:]
    inputs = [column for column in columns if column.kind in LEARNABLE and column not in best]
    return best[0].name if best and inputs else None


def _can_be_learned(column: Column, rows: int) -> bool:
    has_labels = rows - column.missing >= MIN_LABELS
    if column.kind not in TARGET_KINDS or not has_labels:
        return False
    # A class of one row cannot be both learned and measured.
    return column.has_numbers or sum(count > 1 for count in column.class_counts or ()) > 1


def _has_rare_class(column: Column) -> bool:
    return target_task(column) == "classification" and min(column.class_counts or (2,)) < MIN_ROWS_OF_CLASS
