"""Divides the rows outside the test split among the folds of a cross-validation, from their numbers alone."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bakehouse.plan.card import DatasetCard
from bakehouse.plurals import count_of
from bakehouse.recipe.dataset import VALIDATION_FRACTION, Dataset
from bakehouse.recipe.problems import Problem, RecipeInvalid, conflict


@dataclass(frozen=True)
class Fold:
    """The fold of a cross-validation that a run trains: the part that validates, and the number of parts."""

    number: int
    folds: int

    def count(self, rows: int) -> int:
        """Returns how many of some rows validate if the folds take one row each, in turn."""
        return len(range(self.number, rows, self.folds))

    def count_blocks(self, rows: int) -> tuple[int, int]:
        """Returns how many rows train and validate if blocks of equal size validate after all rows before them. What
        does not fill a block is added to the first one, which only trains."""
        block = rows // (self.folds + 1)
        return rows - (self.folds - self.number) * block, block


def fold_of(dataset: Dataset) -> Fold | None:
    """Returns the fold that a recipe trains; None without cross-validation."""
    if dataset.folds is None or dataset.fold is None:
        return None
    return Fold(dataset.fold, dataset.folds)


def share_among_folds(groups: Mapping[int, int], folds: int) -> list[dict[int, int]]:
    """Returns for each fold how many groups of each size it gets: the largest groups first, each to the fold that has
    the fewest rows. The numbers of rows differ by at most the largest group."""
    shares: list[dict[int, int]] = [{} for _ in range(folds)]
    rows = [0] * folds
    for size in sorted(groups, reverse=True):
        for fold, count in enumerate(fill_evenly(rows, size, groups[size])):
            shares[fold][size] = count
            rows[fold] += size * count
    return shares


def fill_evenly(rows: Sequence[int], size: int, count: int) -> list[int]:
    """Returns how many of `count` groups of equal size each fold gets, if each group goes to the fold that has the
    fewest rows by then."""

    def needed(level: int) -> list[int]:
        """Returns the groups with which each fold has at least that many rows."""
        return [max(0, -(-(level - each) // size)) for each in rows]

    # There may be millions of groups, so that the level is searched which they reach together.
    levels = range(max(rows) + size * count + 2)
    level = bisect_right(levels, count, key=lambda level: sum(needed(level))) - 1
    given = needed(level)
    lightest = sorted(range(len(rows)), key=lambda fold: rows[fold] + size * given[fold])
    for fold in lightest[: count - sum(given)]:
        given[fold] += 1
    return given


def refuse_folds(dataset: Dataset, card: DatasetCard) -> None:
    """Refuses folds that are not fully given, or that the data set has no place for."""
    problems = [*find_missing(dataset), *find_unused(dataset, card)]
    if problems:
        raise RecipeInvalid(problems)


def find_missing(dataset: Dataset) -> Iterator[Problem]:
    """Yields the problems of a fold that does not exist."""
    folds = dataset.folds
    fold = dataset.fold
    if folds is None:
        if fold is not None:
            message = f"fold {fold} is a part of a cross-validation: say in `folds` how many parts there are, 2 to 20"
            yield conflict("/dataset/fold", message, ("null",))
        return
    numbers = tuple(map(str, range(folds)))
    if fold is None:
        message = f"a run trains one of the {folds} folds: say which, 0 to {folds - 1}"
        yield conflict("/dataset/fold", message, numbers)
    elif fold >= folds:
        message = f"there is no fold {fold}: {folds} folds have the numbers 0 to {folds - 1}"
        yield conflict("/dataset/fold", message, numbers)


def find_unused(dataset: Dataset, card: DatasetCard) -> Iterator[Problem]:
    """Yields the problems of folds beside other validation rows."""
    if dataset.folds is None:
        return
    if dataset.validation_fraction != VALIDATION_FRACTION:
        message = f"the folds decide which rows validate (here 1 of {dataset.folds} parts): leave it out"
        yield conflict("/dataset/validation_fraction", message, (str(VALIDATION_FRACTION),))
    if card.counts.validation is not None:
        message = (
            f"{card.id} has {count_of(card.counts.validation, 'validation row')} of its own, which all runs keep: "
            "leave folds and fold out, or put these rows among the training rows of the files"
        )
        yield conflict("/dataset/folds", message, ("null",))


def refuse_few_parts(parts: int, least: int, what: str, folds: int) -> None:
    """Refuses more folds than there are rows or groups for; `least` of them are needed."""
    if parts < least:
        most = parts - (least - folds)
        right = f"at most {most} folds are possible" if most > 1 else "no cross-validation is possible"
        message = f"{parts} {what} are outside the test split, and {folds} folds need {least}: {right}"
        raise RecipeInvalid([conflict("/dataset/folds", message, ("null",) if most < 2 else (f"2 to {most}", "null"))])
