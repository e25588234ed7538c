"""Reads sequences from JSON lines, JSON and Parquet: each row has lists of steps, and a target.

A step is a number, a list of numbers, or an object of numbers. Lists in several columns are joined step by step.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, Samples, check_rows, check_size, quote
from bakehouse.data.precision import narrow_if_exact
from bakehouse.data.readers.array_names import TARGETS, find_meaning
from bakehouse.data.readers.cell_store import TypedSource
from bakehouse.data.readers.labels import encode_targets
from bakehouse.data.readers.typed_cells import FIELD, NUMBER, OBJECTS, quote_name, step_columns, steps_in_sql
from bakehouse.data.step_rows import pad_steps
from bakehouse.plan.card import WHOLE_NUMBER_CLASSES, Lengths
from bakehouse.plan.sequences import MAX_BYTES, describe_padding
from bakehouse.plurals import count_of, listed

Floats = NDArray[np.float64]
Lines = NDArray[np.int64]
WHOLE = re.compile(r".*INT(EGER)?")
TARGET = re.compile(rf"VARCHAR|{NUMBER}")
MAX_NUMBER = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Steps:
    """The lists of one column."""

    name: str
    lengths: Lines
    """The number of steps of each row."""
    numbers: Floats
    """All steps of all rows, and the numbers of a step."""
    fields: tuple[str, ...]
    """The names of the numbers, if steps are objects."""


def holds_sequences(types: Mapping[str, str]) -> bool:
    """Whether a column has lists of numbers, or lists of lists of numbers."""
    return bool(step_columns(types))


def read_sequences(source: TypedSource, kind: Literal["parquet", "json", "arrow"]) -> Samples:
    """Reads the sequences and their target. Raises UnusableSource with the row if a step or target is missing."""
    names = step_columns(source.types)
    target, left_out = choose_target(source.types, names)
    store_rows(source, names, target)
    columns = [read_steps(source, place, name) for place, name in enumerate(names)]
    check_rows(len(columns[0].lengths))
    for column in columns[1:]:
        check_equal_lengths(columns[0], column)
    y, about_target = read_target(source, target)
    try:
        encoded, classes = encode_targets({"y": y})
    except UnusableSource as error:
        raise UnusableSource(f"column {quote(target)}: {error}", column=target) from error
    lengths = columns[0].lengths
    x = join_steps(columns)
    notes = [f"the numbers of a step are those of {', '.join(describe(column) for column in columns)}"]
    notes += [f"the target is {target}{about_target}"]
    notes += (
        [f"left out, since they are neither lists of numbers nor the target: {listed(left_out)}"] if left_out else []
    )
    return Samples(
        kind="sequence",
        format=kind,
        arrays={"x": x, **encoded},
        classes=classes,
        lengths=measure(lengths) if lengths.min() < lengths.max() else None,
        names={"y": target},
        notes=notes,
    )


def choose_target(types: Mapping[str, str], steps: list[str]) -> tuple[str, list[str]]:
    """Returns the column of the target, and those that are left out."""
    others = [name for name in types if name not in steps]
    possible = [name for name in others if TARGET.fullmatch(types[name])]
    named = [name for name in possible if find_meaning(name) == "y"]
    chosen = named or possible
    if len(chosen) != 1:
        found = f"any of {listed([quote(each) for each in chosen])} could be it" if chosen else "there is none"
        message = (
            f"{quote(steps[0])} has lists of numbers, so each row is a sequence and needs one target, a text or a "
        )
        raise UnusableSource(f"{message}number; {found}: give it one of the names {', '.join(TARGETS[:-1])}")
    return chosen[0], [name for name in others if name != chosen[0]]


def store_rows(source: TypedSource, steps: list[str], target: str) -> None:
    """Reads the columns into a table `rows`, so that the file is read once."""
    lists = (f"{steps_in_sql(name, source.types[name])} AS s{place}" for place, name in enumerate(steps))
    selected = f"row_number() OVER () - 1 AS row, {', '.join(lists)}, {quote_name(target)} AS y"
    source.database.execute(f"CREATE TABLE rows AS SELECT {selected} FROM {source.query}")


def read_steps(source: TypedSource, place: int, name: str) -> Steps:
    """Reads a column of lists."""
    lengths = fetch(source, f"SELECT coalesce(len(s{place}), 0) AS found FROM rows ORDER BY row")
    if (row := first_true(lengths == 0)) is not None:
        raise UnusableSource(f"row {row:,} (from 0) has no step in {quote(name)}; leave it out", column=name)
    is_nested = source.types[name].count("[") == 2 or OBJECTS.fullmatch(source.types[name]) is not None
    width = step_width(source, place, name, lengths) if is_nested else 1
    check_size("its numbers", int(lengths.sum()) * width * 8)
    flat = f"flatten(s{place})" if is_nested else f"s{place}"
    unnested = f"SELECT unnest({flat}) AS found FROM (SELECT s{place} FROM rows ORDER BY row)"
    found = fetch(source, f"SELECT coalesce(found, 'nan'::DOUBLE) AS found FROM ({unnested})")
    numbers = found.reshape(-1, width)
    # A comparison with nan is false.
    step = first_true(np.any(~(np.abs(numbers) <= MAX_NUMBER), axis=1, keepdims=True))
    if step is not None:
        row = int(np.searchsorted(np.cumsum(lengths), step, side="right"))
        what = "an empty number, nan, infinity or a number beyond the range of float32"
        raise UnusableSource(f"row {row:,} (from 0) holds {what} in {quote(name)}", column=name)
    fields = FIELD.findall(source.types[name]) if OBJECTS.fullmatch(source.types[name]) else ()
    return Steps(name, lengths, numbers, tuple(field.strip('"') for field in fields))


def step_width(source: TypedSource, place: int, name: str, lengths: Lines) -> int:
    """Returns how many numbers each step has. Raises UnusableSource unless all have as many."""
    counts = "count(step) AS steps, min(len(step)) AS low, max(len(step)) AS high"
    query = f"SELECT row, {counts} FROM (SELECT row, unnest(s{place}) AS step FROM rows) GROUP BY row ORDER BY row"
    found = source.database.execute(query).fetchnumpy()
    if (row := first_true(found["steps"] != lengths)) is not None:
        raise UnusableSource(f"row {row:,} (from 0) has an empty step in {quote(name)}", column=name)
    width = int(found["low"][0])
    row = first_true((found["low"] != width) | (found["high"] != width) | (found["low"] == 0))
    if row is not None:
        other = found["high" if found["low"][row] == width else "low"][row]
        message = (
            f"the steps of {quote(name)} must have equally many numbers, at least 1: those of row 0 have {width}, "
        )
        raise UnusableSource(f"{message}and row {row:,} (from 0) has one of {other}", column=name)
    return width


def fetch(source: TypedSource, query: str) -> Array:
    """Returns the column `found` of a query's answer."""
    return np.asarray(source.database.execute(query).fetchnumpy()["found"])


def first_true(values: Array) -> int | None:
    """Returns the place of the first true value."""
    return int(np.argmax(values)) if values.any() else None


def check_equal_lengths(first: Steps, other: Steps) -> None:
    """Refuses a row whose lists have different numbers of steps."""
    if (row := first_true(first.lengths != other.lengths)) is not None:
        here, there = (f"{count_of(int(each.lengths[row]), 'step')} in {quote(each.name)}" for each in (first, other))
        raise UnusableSource(f"row {row:,} (from 0) has {here} and {there}; they must match", column=other.name)


def read_target(source: TypedSource, name: str) -> tuple[Array, str]:
    """Returns the targets: texts, truth values and few whole numbers are classes, other numbers are values."""
    kind = source.types[name]
    is_whole = WHOLE.fullmatch(kind) is not None
    found = "y" if kind in ("VARCHAR", "BOOLEAN") else "CAST(y AS BIGINT)" if is_whole else "CAST(y AS DOUBLE)"
    values = source.database.execute(f"SELECT {found} AS found FROM rows ORDER BY row").fetchnumpy()["found"]
    if (row := first_true(np.ma.getmaskarray(values))) is not None:
        raise UnusableSource(f"row {row:,} (from 0) has no target in {quote(name)}; leave it out", column=name)
    values = np.asarray(values)
    if kind == "VARCHAR":
        return values.astype(np.str_), ""
    if is_whole and len(np.unique(values)) > WHOLE_NUMBER_CLASSES:
        about = f", whose whole numbers are values to predict, since there are more than {WHOLE_NUMBER_CLASSES} of them"
        return values.astype(np.float64), about
    return values, ""


def join_steps(columns: Sequence[Steps]) -> Array:
    """Returns the sequences (N, longest, numbers), each padded with nan to the longest."""
    joined = np.concatenate([column.numbers for column in columns], axis=1)
    numbers = narrow_if_exact({"x": joined}, "x", (0,))["x"]
    lengths = columns[0].lengths
    found = measure(lengths)
    size = len(lengths) * found.maximum * numbers.shape[1] * numbers.itemsize
    # This is known before the padded sequences take any memory.
    if size > MAX_BYTES:
        raise UnusableSource(f"{describe_padding(size, found)} (the longest is row {int(lengths.argmax()):,}, from 0)")
    return pad_steps(numbers, lengths, found.maximum)


def measure(lengths: Lines) -> Lengths:
    return Lengths(minimum=int(lengths.min()), median=float(np.median(lengths)), maximum=int(lengths.max()))


def describe(column: Steps) -> str:
    return f"{column.name} ({', '.join(column.fields) or column.numbers.shape[1]})"
