"""Finds classes that are much more common than others, and classes with hardly any row."""

from collections.abc import Iterator

import numpy as np

from bakehouse.data.profile.rows import percent
from bakehouse.data.profile.target import Labels
from bakehouse.plan.card import Finding
from bakehouse.plurals import count_of, listed
from bakehouse.recipe.patch import PatchStep

MIN_ROWS_OF_CLASS = 5
MAX_RATIO = 10
"""Ratio of the commonest class to the rarest from which classes are unbalanced."""


def class_findings(labels: Labels) -> Iterator[Finding]:
    """Yields what the numbers of rows of the classes show."""
    if labels.classes is None or labels.class_counts is None:
        return
    counts = dict(zip(labels.classes, labels.class_counts, strict=True))
    yield from imbalance(labels, counts)
    yield from rare_classes(labels, counts)


def imbalance(labels: Labels, counts: dict[str, int]) -> Iterator[Finding]:
    """Finds that one class has most rows: half-way between an even share and all of them."""
    rows = sum(counts.values())
    commonest, rarest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    share = counts[commonest] / rows
    if len(counts) < 2 or (share < (1 + 1 / len(counts)) / 2 and counts[commonest] < MAX_RATIO * counts[rarest]):
        return
    message = (
        f"of {rows:,} rows, {counts[commonest]:,} ({percent(share)}) are of the class {quoted(commonest)} and "
        f"{counts[rarest]:,} ({percent(counts[rarest] / rows)}) of {quoted(rarest)}: a model that always answers "
        f"{quoted(commonest)} has an accuracy of {percent(share)}"
    )
    patch = (PatchStep(op="add", path="/objective/class_weights", value="balanced"),)
    yield Finding(code="class_imbalance", severity="warning", where=labels.where, message=message, patch=patch)


def rare_classes(labels: Labels, counts: dict[str, int]) -> Iterator[Finding]:
    """Finds classes with so few rows that a split may have none of them."""
    rare = {name: rows for name, rows in counts.items() if rows < MIN_ROWS_OF_CLASS}
    if not rare:
        return
    places = {name: f", row {row:,} from 0" for name, row in single_rows(labels, counts).items()}
    named = listed([f"{quoted(name)} ({rows}{places.get(name, '')})" for name, rows in rare.items()])
    message = (
        f"{count_of(len(rare), 'class')} of {len(counts):,} {'has' if len(rare) == 1 else 'have'} fewer than "
        f"{MIN_ROWS_OF_CLASS} rows: {named}. They can hardly be learned, and a split may have no row "
        "of them: add rows, or merge classes"
    )
    if 1 in rare.values():
        message += ". A recipe that learns a class of one row is refused"
    yield Finding(code="rare_classes", severity="warning", where=labels.where, message=message)


def single_rows(labels: Labels, counts: dict[str, int]) -> dict[str, int]:
    """Returns the row of each class that has one alone."""
    _, rows, times = np.unique(labels.values, return_index=True, return_counts=True)
    # The numbers of the classes are sorted, as the classes are.
    names = [name for name, count in counts.items() if count == 1]
    return dict(zip(names, rows[times == 1].tolist(), strict=False))


def quoted(name: str) -> str:
    """Returns a user's text, shortened, for a message."""
    return repr(name if len(name) <= 40 else name[:40] + "…")
