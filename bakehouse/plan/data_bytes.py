"""Counts the bytes that a training process holds of its data. A large set stays on disk, and only an index is held."""

from math import prod

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.splits import SplitSizes
from bakehouse.plan.targets import ResolvedData
from bakehouse.recipe.dataset import Dataset

FLOAT_BYTES = 4
MAPPED_BYTES = 64 << 20
"""Size of the inputs from which they stay on disk, where all processes that train on them share the pages. Smaller sets
are copied, because a copy of the chosen rows and columns is as fast as the caches are."""
MAX_WHITENED_BYTES = 2 << 30
"""Size as float32 up to which all inputs are whitened once and kept; larger inputs are whitened at each step."""
INDEX_BYTES = 48
"""Bytes for each row whose inputs are on disk: its number, and its places in the order of an epoch while that is
drawn."""
TARGET_BYTES = 16
"""Bytes of each target and row: the label, and what the loss compares with."""
ORDER_BYTES = 56
"""Bytes for each row while the scores of one class are ordered: seven numbers of 64 bits."""


def bytes_of_inputs(card: DatasetCard, data: ResolvedData, rows: int) -> int:
    """Returns the bytes of inputs in the type in which training reads them."""
    number_bytes = 1 if card.dtype == "uint8" else 8 if data.is_double else 4
    return rows * number_bytes * numbers_of_row(card, data)


def stays_on_disk(card: DatasetCard, data: ResolvedData, rows: int) -> bool:
    """Whether training leaves the inputs on disk. Padded sequences are not on disk as they are trained on."""
    is_padded = data.lengths is not None or data.steps is not None
    return not is_padded and bytes_of_inputs(card, data, rows) >= MAPPED_BYTES


def numbers_of_row(card: DatasetCard, data: ResolvedData) -> int:
    """Returns how many numbers of a row training reads."""
    return prod(data.shape) if data.encoding is not None else card.features


def bytes_of_data(dataset: Dataset, card: DatasetCard, data: ResolvedData, sizes: SplitSizes) -> int:
    """Returns the bytes of all inputs and targets as training holds them."""
    rows = sum(sizes)
    inputs = INDEX_BYTES * rows if stays_on_disk(card, data, rows) else bytes_of_inputs(card, data, rows)
    targets = TARGET_BYTES * len(data.targets) * rows
    return inputs + targets + bytes_of_white(dataset, card, data, sizes)


def bytes_of_white(dataset: Dataset, card: DatasetCard, data: ResolvedData, sizes: SplitSizes) -> int:
    """Returns the bytes of the whitened training inputs, if they are kept, and of their copy meanwhile."""
    white = FLOAT_BYTES * sizes.train * numbers_of_row(card, data)
    if dataset.normalization != "whiten" or white > MAX_WHITENED_BYTES:
        return 0
    return 3 * white


def bytes_of_scores(data: ResolvedData, rows: int) -> int:
    """Returns the bytes that `auroc` needs at the end of a split: the outputs for all rows, several times while they
    are joined and divided among targets, and the probabilities of one class with their order."""
    if not any("auroc" in target.class_measures for target in data.targets):
        return 0
    outputs = sum(target.outputs for target in data.targets)
    return rows * (3 * FLOAT_BYTES * outputs + ORDER_BYTES)
