"""Says in short what a data set has, for those who choose one."""

from bakehouse.model import Model
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.columns import fitting_kinds
from bakehouse.plan.proposal import propose_target
from bakehouse.plurals import count_of
from bakehouse.recipe.dataset import ChosenKind

MAX_NAMED_CLASSES = 3
COLORS = {1: "grey", 3: "colour"}


class DatasetSummary(Model):
    """A data set in short, and the target that is proposed for it."""

    rows: int
    """Number of rows in all splits."""
    splits: str
    """The set's own splits, and which splits each recipe cuts from them."""
    sample: str
    """The shape of a sample, such as `8 × 8 pixels, grey`."""
    task: str
    """What a model learns, such as `10 classes`."""
    target: str | None = None
    """The proposed column of a table; null if the target is fixed, or if no column can be learned."""
    kinds: tuple[tuple[ChosenKind, ...], ...] = ()
    """For each column of a table, the kinds that a recipe can give it."""


def summarize(card: DatasetCard) -> DatasetSummary:
    """Returns a card in short."""
    target = propose_target(card)
    return DatasetSummary(
        rows=sum(count or 0 for _, count in card.counts),
        splits=describe_splits(card),
        sample=describe_sample(card),
        task=describe_task(card, target),
        target=target,
        kinds=tuple(map(fitting_kinds, card.columns or ())),
    )


def describe_splits(card: DatasetCard) -> str:
    own = {name: count for name, count in card.counts if count is not None}
    missing = [name for name, count in card.counts if count is None]
    first = ", ".join(f"{count:,} {name}" for name, count in own.items())
    if list(own) == ["train"]:
        first = f"one set of {count_of(card.counts.train, 'row')}"
    return f"{first}; the recipe cuts {' and '.join(missing)} from it" if missing else first


def describe_sample(card: DatasetCard) -> str:
    if card.kind == "image":
        channels, height, width = card.shape
        return f"{height} × {width} pixels, {COLORS.get(channels) or count_of(channels, 'channel')}"
    if card.kind == "sequence":
        steps, numbers = card.shape
        least = "" if card.lengths is None else f"{card.lengths.minimum} to "
        return f"{least}{count_of(steps, 'step')} of {count_of(numbers, 'number')}"
    return count_of(card.features, "number") if card.columns is None else count_of(len(card.columns), "column")


def describe_task(card: DatasetCard, target: str | None) -> str:
    if card.columns is not None:
        return "the column that the recipe names" if target is None else f"{target} or another column"
    if card.classes is None:
        return "a number (regression)"
    if len(card.classes) > MAX_NAMED_CLASSES:
        return count_of(len(card.classes), "class")
    *others, last = card.classes
    return f"{', '.join(others)} or {last} (classification)" if others else last
