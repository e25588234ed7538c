"""Computes the sizes of the splits from the card alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import NamedTuple

from bakehouse.plan.card import Column, DatasetCard, SplitCounts
from bakehouse.plan.folds import Fold, fold_of, refuse_few_parts, refuse_folds, share_among_folds
from bakehouse.plan.targets import ResolvedData
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.problems import Problem, RecipeInvalid, did_you_mean
from bakehouse.recipe.split import Group, Random, Time

TEST_FRACTION = 0.2
"""Share of all rows that become the test split, if the set has none of its own."""
MIN_GROUPS = 3
"""Least number of groups, because each split needs one."""
POINTER = "/dataset/split/column"


class SplitSizes(NamedTuple):
    """Number of rows in each split."""

    train: int
    validation: int
    test: int


GroupCounts = Mapping[int, int]
"""For each number of rows, how many groups have that number."""


@dataclass(frozen=True)
class GroupShares:
    """For each number of rows, how many groups of that number the test and the validation split get, and how many
    validate in the folds before this one."""

    test: GroupCounts
    validation: GroupCounts
    before: GroupCounts


def plan_sizes(dataset: Dataset, card: DatasetCard, unlabelled: int) -> SplitSizes:
    """Returns the sizes of the splits of a recipe, which leave unlabelled rows out. Raises RecipeInvalid if its rule
    does not fit the data set."""
    refuse_folds(dataset, card)
    labelled = card.counts.model_copy(update={"train": card.counts.train - unlabelled})
    match dataset.split:
        case Random():
            return share_rows(labelled, dataset)
        case Time(column=name):
            refuse_gaps(card, find_column(card, name, "time"))
            return share_rows(labelled, dataset)
        case Group(column=name):
            column = find_column(card, name, "group")
            groups = known_groups(card, column, dataset.target) if unlabelled else count_groups(column)
            refuse_few(column, groups)
            shares = share_groups(groups, dataset.validation_fraction, seed=dataset.split_seed, fold=fold_of(dataset))
            test = count_rows(shares.test)
            validation = count_rows(shares.validation)
            return SplitSizes(count_rows(groups) - test - validation, validation, test)


def share_rows(counts: SplitCounts, dataset: Dataset) -> SplitSizes:
    """Returns the sizes of a split that divides single rows. Raises RecipeInvalid if a fold would be empty."""
    fold = fold_of(dataset)
    if fold is None:
        return split_sizes(counts, dataset.validation_fraction)
    test = test_rows(counts)
    rest = counts.train if counts.test is not None else counts.train - test
    is_chained = isinstance(dataset.split, Time)
    refuse_few_parts(rest, fold.folds + is_chained, "rows", fold.folds)
    train, validation = fold.count_blocks(rest) if is_chained else (rest - fold.count(rest), fold.count(rest))
    return SplitSizes(train, validation, test)


def test_rows(counts: SplitCounts) -> int:
    """Returns the number of test rows: the set's own, or 20 % of the rows."""
    return _share(counts.train, TEST_FRACTION) if counts.test is None else counts.test


def split_sizes(counts: SplitCounts, validation_fraction: float) -> SplitSizes:
    """Returns the sizes of the set's own splits. A missing test split gets 20 % of the rows, a missing validation split
    a fraction of the rest."""
    test_taken = 0 if counts.test is not None else _share(counts.train, TEST_FRACTION)
    rest = counts.train - test_taken
    validation_taken = 0 if counts.validation is not None else _share(rest, validation_fraction)
    return SplitSizes(rest - validation_taken, counts.validation or validation_taken, counts.test or test_taken)


def class_counts(card: DatasetCard, data: ResolvedData) -> tuple[int, ...] | None:
    """Returns the rows of each class of the main target in the set's own train split; None if the card does not say."""
    columns = {column.name: column for column in card.columns or ()}
    name = data.main.name
    if data.steps is not None:
        # A column counts rows, of which a sequence has any number.
        return None
    counts = columns[name].class_counts if name in columns else card.class_counts
    return counts if counts and sum(counts) else None


def training_counts(dataset: Dataset, card: DatasetCard, data: ResolvedData) -> list[int] | None:
    """Returns the rows of each class of the only target in the training split, which a random split takes from all
    classes in proportion; None if the card does not determine them."""
    if dataset.bootstrap:
        return None
    left = counts_outside_test(dataset, card, data)
    fold = fold_of(dataset)
    if left is None or card.counts.validation is not None:
        return left
    if fold is not None:
        # The classes take turns one after the other: each begins where the one before it ended.
        ends = [0, *accumulate(left)]
        return [end - begin - (fold.count(end) - fold.count(begin)) for begin, end in pairwise(ends)]
    kept = [rows_kept(count) for count in class_counts(card, data) or ()]
    return _leave(left, plan_sizes(dataset, card, data.unlabelled).validation, kept)


def counts_outside_test(dataset: Dataset, card: DatasetCard, data: ResolvedData) -> list[int] | None:
    """Returns the rows of each class of the only target that are not tested; None if the card does not determine
    them."""
    counts = class_counts(card, data)
    if counts is None or data.further or not isinstance(dataset.split, Random):
        return None
    if card.counts.test is not None:
        return list(counts)
    return _leave(counts, plan_sizes(dataset, card, data.unlabelled).test, [rows_kept(count) for count in counts])


def _leave(counts: Sequence[int], total: int, kept: Sequence[int]) -> list[int]:
    """Returns what is left of each class if a split takes rows from all classes in proportion."""
    takes = share_proportionally(counts, total, kept)
    return [count - take for count, take in zip(counts, takes, strict=True)]


def rows_of_an_epoch(dataset: Dataset, card: DatasetCard, data: ResolvedData, sizes: SplitSizes) -> int:
    """Returns how many rows an epoch takes."""
    counts = training_counts(dataset, card, data) if dataset.sampling == "undersample" else None
    present = [count for count in counts or () if count]
    return min(present) * len(present) if present else sizes.train


def rows_kept(count: int) -> int:
    """Returns how many rows of a class stay in the training split: a class of one or two rows may go to the other
    splits entirely; a larger one keeps a row for training."""
    return 1 if count >= 3 else 0


def share_proportionally(sizes: Sequence[int], total: int, kept: Sequence[int]) -> list[int]:
    """Divides `total` among groups by largest remainder; leaves `kept` rows in each group if enough others remain."""
    limits = [max(size - least, 0) for size, least in zip(sizes, kept, strict=True)]
    # The sizes of the splits are fixed, so some classes then keep no row.
    if sum(limits) < total:
        limits = list(sizes)
    rows = sum(sizes)
    quotas = [size * total / rows for size in sizes]
    takes = [min(int(quota), limit) for quota, limit in zip(quotas, limits, strict=True)]
    # A group that is full takes no more, so several passes may be needed.
    while (missing := total - sum(takes)) > 0:
        open_groups = [index for index, take in enumerate(takes) if take < limits[index]]
        # The most negative difference is the largest remainder; the sort is stable.
        for index in sorted(open_groups, key=lambda index: takes[index] - quotas[index])[:missing]:
            takes[index] += 1
    return takes


def _share(rows: int, fraction: float) -> int:
    """Returns the share in rows, rounded half up, so that both sides have at least one row."""
    return min(max(int(rows * fraction + 0.5), 1), rows - 1)


def find_column(card: DatasetCard, name: str, rule: str) -> Column:
    """Finds the column of a rule. Raises RecipeInvalid if the data set has no such column."""
    if card.columns is None:
        message = f"{card.id} has no columns, so its rows cannot be split by {rule}"
        raise RecipeInvalid([Problem(pointer="/dataset/split", code="split", message=message, allowed=("random",))])
    names = [column.name for column in card.columns]
    own = [split for split in ("validation", "test") if getattr(card.counts, split) is not None]
    if own:
        message = f"{card.id} has its own {' and '.join(own)} split, which stays as it is: rows are split by {rule} "
        message += "only if the files have no splits"
        raise RecipeInvalid([Problem(pointer="/dataset/split", code="split", message=message, allowed=("random",))])
    if name not in names:
        message = f"there is no column {name}{did_you_mean(name, names)}"
        raise RecipeInvalid([Problem(pointer=POINTER, code="split", message=message, allowed=tuple(names))])
    return card.columns[names.index(name)]


def refuse_gaps(card: DatasetCard, column: Column) -> None:
    """Refuses a column that does not order all rows."""
    if column.kind in ("number", "date") and not column.missing:
        return
    if column.missing:
        message = f"{column.name} is empty in {column.missing:,} of {card.counts.train:,} rows, which have no time"
    else:
        message = f"{column.name} has neither dates nor numbers, so it does not order the rows"
    raise RecipeInvalid([Problem(pointer=POINTER, code="split", message=message)])


def known_groups(card: DatasetCard, column: Column, target: str | None) -> GroupCounts:
    """Counts the groups of the rows that have a target. Raises RecipeInvalid if the card does not have their sizes."""
    labels = next(each for each in card.columns or () if each.name == target)
    labelled = card.counts.train - labels.missing
    if all(size == 1 for size, _ in column.group_sizes):
        return {1: labelled}
    sizes = labels.known_group_sizes.get(column.name)
    if sizes is None:
        message = (
            f"{target} is empty in {labels.missing:,} of {card.counts.train:,} rows, and the groups of {column.name} "
            "were not counted without them: leave these rows out of the file"
        )
        raise RecipeInvalid([Problem(pointer=POINTER, code="split", message=message)])
    return dict(sizes)


def count_groups(column: Column) -> GroupCounts:
    """Counts the groups of all rows by their size; a row without a value is a group of its own."""
    groups = dict(column.group_sizes)
    if column.missing:
        groups[1] = groups.get(1, 0) + column.missing
    return groups


def refuse_few(column: Column, groups: GroupCounts) -> None:
    """Refuses fewer groups than splits."""
    if sum(groups.values()) < MIN_GROUPS:
        message = (
            f"{column.name} has {sum(groups.values())} groups in {count_rows(groups):,} rows: at least {MIN_GROUPS} "
            "are needed, one for each split"
        )
        raise RecipeInvalid([Problem(pointer=POINTER, code="split", message=message)])


def share_groups(
    groups: GroupCounts, validation_fraction: float, *, seed: int, fold: Fold | None = None
) -> GroupShares:
    """Shares whole groups among the splits. The test groups do not depend on the validation fraction or the folds.
    Raises RecipeInvalid if there are more folds than other groups."""
    test = take_groups(groups, TEST_FRACTION, kept=2, seed=seed)
    rest = {size: count - test[size] for size, count in groups.items()}
    if fold is None:
        validation = take_groups(rest, validation_fraction, kept=1, seed=seed)
        return GroupShares(test, validation, before=dict.fromkeys(groups, 0))
    refuse_few_parts(sum(rest.values()), fold.folds, "groups", fold.folds)
    shares = share_among_folds(rest, fold.folds)
    before = {size: sum(share[size] for share in shares[: fold.number]) for size in groups}
    return GroupShares(test, shares[fold.number], before)


def take_groups(groups: GroupCounts, fraction: float, *, kept: int, seed: int) -> GroupCounts:
    """Takes at least one group and leaves at least `kept`; the taken groups have about this fraction of the rows.

    The sizes are passed through in an order that depends on the seed, so that another seed takes others although all
    sizes may differ. What rounding takes too much of one size is taken less of the next.
    """
    available = sum(groups.values()) - kept
    taken = dict.fromkeys(groups, 0)
    asked = 0.0
    for size in sorted(groups, key=partial(digest_of, seed)):
        asked += fraction * size * groups[size]
        count = int((asked - count_rows(taken)) / size + 0.5)
        taken[size] = max(0, min(count, groups[size], available - sum(taken.values())))
    if not any(taken.values()):
        taken[min(size for size, count in groups.items() if count)] = 1
    return taken


def digest_of(seed: int, size: int) -> bytes:
    """Returns bytes that sort sizes in an order that differs from seed to seed, and is the same on all machines."""
    return sha256(f"{seed} {size}".encode()).digest()


def count_rows(groups: GroupCounts) -> int:
    """Returns the rows of all groups."""
    return sum(size * count for size, count in groups.items())
