"""Finds columns that hardly vary, have gaps, are no inputs, or have a long tail."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Samples, Table
from bakehouse.data.profile.inputs import Input, exclude, pointer_to
from bakehouse.data.profile.rows import Rows, describe_sample, percent
from bakehouse.plan.card import Column, Finding
from bakehouse.plan.columns import LEARNABLE, describe_kind
from bakehouse.plurals import listed

NEAR_CONSTANT = 0.99
"""Share of the commonest value from which an input hardly varies."""
MISSING_CODES = frozenset(sign * (10.0**digits - 1) for sign in (-1, 1) for digits in range(1, 7))
"""Numbers that files have in place of missing ones: 9, 99, 999 and so on, and their negatives."""
MOSTLY_MISSING = 0.5
MAX_SKEWNESS = 3.0
MIN_RANGE = 100.0
"""Ratio of the largest value to the median from which a long tail is worth a logarithm."""


def input_findings(contents: Samples | Table, inputs: Sequence[Input], rows: Rows, count: int) -> Iterator[Finding]:
    """Yields what the values of the inputs show."""
    still: list[tuple[Input, float]] = []
    skewed: list[tuple[Input, float]] = []
    codes: list[tuple[Input, float]] = []
    for each in inputs:
        values = each.values(contents)[rows]
        known = values[~np.isnan(values)]
        if len(known) and (share := commonest_share(known)) >= NEAR_CONSTANT:
            still.append((each, share))
        elif len(known) and each.kind == "number" and (code := missing_code(known)) is not None:
            codes.append((each, code))
        elif len(known) and each.kind == "number" and (skewness := long_tail(known)) > MAX_SKEWNESS:
            skewed.append((each, skewness))
    suffix = describe_sample(len(rows), count)
    if still:
        yield near_constant(still, suffix)
    if codes:
        yield missing_codes(codes, suffix)
    if skewed:
        yield skewed_columns(skewed, suffix)


def commonest_share(values: NDArray[np.float64]) -> float:
    """Returns the share of the commonest value."""
    return float(np.unique(values, return_counts=True)[1].max() / len(values))


def long_tail(values: NDArray[np.float64]) -> float:
    """Returns the skewness of numbers that are never negative and of very different size, and 0 for others."""
    median = np.median(values)
    if values.min() < 0 or values.max() < MIN_RANGE * median or median == 0:
        return 0.0
    deviations = values - values.mean()
    return float((deviations**3).mean() / (deviations**2).mean() ** 1.5)


def missing_code(values: NDArray[np.float64]) -> float | None:
    """Returns the extreme value that probably stands for a missing one: it is written as such codes are, recurs, and is
    farther from the other values than they are from each other."""
    for code, others in ((values.max(), values[values < values.max()]), (values.min(), values[values > values.min()])):
        if code in MISSING_CODES and len(others) and len(values) - len(others) >= 2:
            distance = min(abs(others.max() - code), abs(others.min() - code))
            if distance > others.max() - others.min() > 0:
                return float(code)
    return None


def missing_codes(found: Sequence[tuple[Input, float]], suffix: str) -> Finding:
    shown = listed([f"{code:g} in {each.name}" for each, code in found])
    message = (
        f"a value far from all others recurs{suffix}: {shown}. If it stands for a missing value, leave these cells "
        "empty, because the mean and the scale of the column follow from it"
    )
    where = pointer_to([each for each, _ in found])
    return Finding(code="missing_code", severity="warning", where=where, message=message)


def near_constant(found: Sequence[tuple[Input, float]], suffix: str) -> Finding:
    shown = listed([f"{each.name} ({percent(share)})" for each, share in found])
    message = f"nearly all rows have the same value in {shown}{suffix}: a model can hardly learn from it"
    inputs = [each for each, _ in found]
    return Finding(
        code="near_constant", severity="info", where=pointer_to(inputs), message=message, patch=exclude(inputs)
    )


def skewed_columns(found: Sequence[tuple[Input, float]], suffix: str) -> Finding:
    shown = listed([f"{each.name} ({skewness:.1f})" for each, skewness in found])
    message = (
        f"a few rows have far larger values than the others in {shown}, by skewness{suffix}: scaled, all other rows "
        "are nearly equal there. The logarithm of the column may be a better input"
    )
    return Finding(code="skewed", severity="info", where=pointer_to([each for each, _ in found]), message=message)


def spelling_findings(columns: Sequence[Column]) -> Iterator[Finding]:
    """Finds texts of one column that differ in upper and lower case alone, and numbers that have a unit."""
    alike: list[str] = []
    units: list[str] = []
    places: list[int] = []
    for place, column in enumerate(columns):
        groups: dict[str, list[str]] = {}
        for text in (column.classes or ()) if column.kind in ("boolean", "category") else ():
            groups.setdefault(text.casefold(), []).append(text)
        found = next((texts for texts in groups.values() if len(texts) > 1), None)
        if found is not None:
            alike.append(f"{column.name} ({', '.join(map(repr, found))})")
            places.append(place)
        if unit := (column.form or "").partition(" ")[2] if column.kind == "number" else "":
            units.append(f"{column.name} in {unit}")
    if alike:
        message = (
            f"texts that differ in upper and lower case alone are different classes: {listed(alike)}. If they mean the "
            "same, write them in one way"
        )
        yield Finding(code="spelled_alike", severity="warning", where=where_of(places), message=message)
    if units:
        message = f"numbers are written with a unit: {listed(units)}. The rows to predict need the same unit"
        yield Finding(code="units", severity="info", where="/columns", message=message)


def where_of(places: Sequence[int]) -> str:
    """Returns the JSON Pointer of a column, or of all."""
    return f"/columns/{places[0]}" if len(places) == 1 else "/columns"


def gap_findings(columns: Sequence[Column], target: int | None, count: int) -> Iterator[Finding]:
    """Yields the shares of the rows in which columns are empty."""
    empty = [Input(column.name, f"/columns/{i}", i, column.name) for i, column in enumerate(columns) if column.missing]
    shares = {each.index: columns[each.index].missing / count for each in empty}
    mostly = [each for each in empty if shares[each.index] >= MOSTLY_MISSING and each.index != target]
    others = [each for each in empty if each not in mostly]
    if mostly:
        message = (
            f"most cells are empty: {shown_shares(mostly, shares)}. What fills them says little: exclude the column"
        )
        message += " unless a gap itself means something"
        yield Finding(code="mostly_missing", severity="warning", where=pointer_to(mostly), message=message,
                      patch=exclude(mostly))  # fmt: skip
    if others:
        message = f"cells are empty: {shown_shares(others, shares)}"
        yield Finding(code="missing_values", severity="info", where=pointer_to(others), message=message)


def shown_shares(found: Sequence[Input], shares: Mapping[int, float]) -> str:
    return listed([f"{each.name} in {percent(shares[each.index])} of the rows" for each in found])


def left_out_findings(columns: Sequence[Column], target: int | None) -> Iterator[Finding]:
    """Yields the columns that are no inputs because of their kind."""
    found = [
        Input(f"{column.name} ({describe_kind(column.kind)})", f"/columns/{index}", index)
        for index, column in enumerate(columns)
        if index != target and column.kind not in LEARNABLE
    ]
    if found:
        they = "it is" if len(found) == 1 else "they are"
        message = f"no model learns from {listed([each.name for each in found])}: {they} left out of the inputs"
        yield Finding(code="left_out", severity="info", where=pointer_to(found), message=message)
