"""Resolves `dataset.sequence`, which makes sequences of the rows of a long table: how many there are, and how long."""

from collections.abc import Collection, Iterator, Sequence
from statistics import median

from bakehouse.plan.card import Column, DatasetCard, Lengths, SplitCounts
from bakehouse.plan.columns import MAX_LISTED
from bakehouse.plurals import count_of
from bakehouse.recipe.dataset import Dataset, StepRows
from bakehouse.recipe.problems import Problem, RecipeInvalid, conflict, did_you_mean
from bakehouse.recipe.split import Group

MIN_SEQUENCES = 10
MAX_BYTES = 2 << 30
"""Limit on the size of all sequences, each padded to the longest; that of the arrays of other data sets is the same."""
POINTER = "/dataset/sequence"


def check_sequences(
    card: DatasetCard, columns: Sequence[Column], dataset: Dataset, spec: StepRows, targets: Collection[str]
) -> None:
    """Raises RecipeInvalid if the columns make no sequences."""
    by_name = {column.name: column for column in columns}
    problems = [
        *id_problems(card, by_name, spec, targets),
        *order_problems(by_name, spec, targets),
        *target_problems(by_name, targets),
        *include_problems(dataset, spec),
    ]
    if card.counts.validation is not None or card.counts.test is not None:
        message = f"{card.id} has its own splits, and sequences are made of the rows of a table without splits"
        problems.append(conflict(POINTER, message, ("null",)))
    if isinstance(dataset.split, Group):
        message = "whole sequences are split at random or by time, and a group split divides rows"
        problems.append(conflict("/dataset/split", message, ("random", "time")))
    if problems:
        raise RecipeInvalid(problems)


def id_problems(
    card: DatasetCard, columns: dict[str, Column], spec: StepRows, targets: Collection[str]
) -> Iterator[Problem]:
    yield from unknown(columns, spec.id, f"{POINTER}/id")
    if (column := columns.get(spec.id)) is None:
        return
    if column.name in targets:
        yield conflict(f"{POINTER}/id", f"{column.name} is a target, and so cannot say which rows are a sequence")
    elif column.missing:
        message = f"{column.name} is empty in {count_of(column.missing, 'row')}, which then belong to no sequence: "
        yield conflict(f"{POINTER}/id", message + "fill these cells in, or leave the rows out of the file")
    elif (found := sum(count for _, count in column.group_sizes)) < MIN_SEQUENCES:
        message = (
            f"{column.name} has {count_of(found, 'distinct value')} in {card.id}, and so makes as many sequences; "
        )
        yield conflict(f"{POINTER}/id", message + f"at least {MIN_SEQUENCES} are needed")


def order_problems(columns: dict[str, Column], spec: StepRows, targets: Collection[str]) -> Iterator[Problem]:
    if spec.order is None:
        return
    pointer = f"{POINTER}/order"
    yield from unknown(columns, spec.order, pointer)
    column = columns.get(spec.order)
    if column is None:
        return
    if column.name in targets or column.name == spec.id:
        other = "a target" if column.name in targets else "the id of the sequences"
        yield conflict(pointer, f"{column.name} is {other}, and so cannot order their steps")
    elif not column.has_numbers:
        message = f"{column.name} has neither numbers nor dates, which would order the steps; without it, the order of "
        yield conflict(pointer, message + "the rows in the file counts", ("null",))
    elif column.missing:
        message = f"{column.name} is empty in {count_of(column.missing, 'row')}, which then have no place in a sequence"
        yield conflict(pointer, message, ("null",))


def target_problems(columns: dict[str, Column], targets: Collection[str]) -> Iterator[Problem]:
    for column in map(columns.get, sorted(targets)):
        if column is not None and column.missing:
            message = f"{column.name} is empty in {count_of(column.missing, 'row')}, and a sequence has one target, "
            yield conflict("/dataset/target", message + "which all of its rows have: fill these cells in")


def include_problems(dataset: Dataset, spec: StepRows) -> Iterator[Problem]:
    if spec.id in (dataset.columns.include or ()):
        message = f"{spec.id} says which rows are a sequence, and so is no input; leave it out of the list"
        yield conflict("/dataset/columns/include", message)


def unknown(columns: dict[str, Column], name: str, pointer: str) -> Iterator[Problem]:
    if name not in columns:
        message = f"there is no column {name}{did_you_mean(name, columns)}"
        allowed = tuple(columns) if len(columns) <= MAX_LISTED else None
        yield Problem(pointer=pointer, code="column", message=message, allowed=allowed)


def not_inputs(dataset: Dataset) -> set[str]:
    """Returns the columns of `dataset.sequence`; the order of the steps is an input if the recipe includes it."""
    if dataset.sequence is None:
        return set()
    return {dataset.sequence.id, dataset.sequence.order or ""} - set(dataset.columns.include or ())


def measure_lengths(columns: Sequence[Column], spec: StepRows) -> tuple[int, Lengths]:
    """Returns how many sequences there are, and their lengths, which are the sizes of the groups of equal ids."""
    sizes = next(column.group_sizes for column in columns if column.name == spec.id)
    count = sum(times for _, times in sizes)
    # The sizes are sorted; the two in the middle are the same one if their number is odd.
    middle = [size_at(sizes, place) for place in ((count - 1) // 2, count // 2)]
    return count, Lengths(minimum=sizes[0][0], median=median(middle), maximum=sizes[-1][0])


def size_at(sizes: Sequence[tuple[int, int]], place: int) -> int:
    """Returns the size of the group at a place in the order of sizes."""
    for size, times in sizes:
        if place < times:
            return size
        place -= times
    raise AssertionError("the place is that of a group")


def refuse_padding(count: int, lengths: Lengths, row_bytes: int) -> None:
    """Refuses sequences that would take too much memory, each padded to the longest."""
    size = count * lengths.maximum * row_bytes
    if size > MAX_BYTES:
        raise RecipeInvalid([conflict(POINTER, describe_padding(size, lengths))])


def describe_padding(size: int, lengths: Lengths) -> str:
    """Says that sequences take too much memory, and why."""
    return (
        f"its sequences would take {size:,} bytes, each padded to the longest of {lengths.maximum:,} steps; at most "
        f"{MAX_BYTES:,} are allowed. Half of the sequences have at most {lengths.median:,.0f} steps: cut the longest "
        "ones into several, or leave them out"
    )


def as_sequences(card: DatasetCard, shape: tuple[int, ...], count: int, lengths: Lengths | None) -> DatasetCard:
    """Returns the card of the sequences that a recipe makes of a table's rows; it keeps the table's columns."""
    counts = SplitCounts(train=count)
    return card.model_copy(update={"kind": "sequence", "shape": shape, "counts": counts, "lengths": lengths})
