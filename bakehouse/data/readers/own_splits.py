"""Divides what was read among the splits that the files of a data set have."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, Samples, Table, check_rows, parts_of
from bakehouse.data.readers.columns import describe_numbers
from bakehouse.plan.card import Column, SplitCounts
from bakehouse.plurals import listed


def divide(contents: Table | Samples, rows: Mapping[str, int]) -> Table | Samples:
    """Divides the rows, which are in the order of `rows`: the number of rows of each split, by its suffix."""
    check_rows(rows[""])
    for name in (split.removeprefix("_") for split, count in rows.items() if split and not count):
        raise UnusableSource(f"the {name} split has no rows: add rows to its files, or remove them")
    if not any(count for split, count in rows.items() if split):
        return contents
    counts = SplitCounts(train=rows[""], validation=rows.get("_validation") or None, test=rows.get("_test") or None)
    if isinstance(contents, Samples):
        return replace(contents, arrays=divide_arrays(contents.arrays, counts))
    columns = zip(contents.columns, contents.values.T, strict=True)
    return replace(contents, counts=counts, columns=tuple(describe(*each, counts) for each in columns))


def divide_arrays(arrays: Mapping[str, Array], counts: SplitCounts) -> dict[str, Array]:
    """Returns an array for each split, such as `x` and `x_test` of `x`."""
    return {
        f"{name}{suffix}": part for name, values in arrays.items() for suffix, part in parts_of(values, counts).items()
    }


def describe(column: Column, values: Array, counts: SplitCounts) -> Column:
    """Returns the column with the counts of the train split."""
    missing = {suffix[1:]: int(np.isnan(part).sum()) for suffix, part in parts_of(values, counts).items()}
    train = values[: counts.train]
    known = train[~np.isnan(train)]
    changes: dict[str, object] = {
        "missing": missing.pop(""),
        "missing_in": {split: count for split, count in missing.items() if count},
    }
    if column.classes is not None:
        codes = np.searchsorted(np.array(column.classes, np.float64), known) if column.has_numbers else known
        counted = np.bincount(codes.astype(np.int64), minlength=len(column.classes))
        changes["class_counts"] = tuple(counted.tolist())
    # The numbers of rows may begin anew in each file.
    if column.kind == "number" and len(known):
        changes["kind"] = "identifier" if names_rows(column.name, known, counts.train) else "number"
    return column.model_copy(update=changes)


def names_rows(name: str, known: Array, rows: int) -> bool:
    """Whether numbers are the names of the rows of a split."""
    return describe_numbers(name, known, rows, "number").kind == "identifier"


def compare_columns(train: Sequence[str], other: Sequence[str], where: str) -> Iterator[str]:
    """Yields notes on columns that the train split or another file has alone. Raises UnusableSource if they share
    none."""
    if not set(train) & set(other):
        raise UnusableSource(f"{where} has none of the columns of the train split, {listed(train)}", file=where)
    if absent := [name for name in train if name not in other]:
        yield f"{where} does not have {listed(absent)}, which counts as empty there"
    if further := [name for name in other if name not in train]:
        yield f"{listed(further)} of {where} was left out, because the train split does not have it"
