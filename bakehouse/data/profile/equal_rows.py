"""Finds equal rows: within the training rows, between the set's own splits, and with labels that disagree.

Rows are compared by digests of 64 bits, so that a large set needs 8 bytes for each row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import SPLITS, Array, Samples, Table, parts_of
from bakehouse.data.profile.rows import COMPARED_ROWS, Rows, describe_sample, percent, sample_rows
from bakehouse.data.profile.target import Labels
from bakehouse.plan.card import Finding, SplitCounts
from bakehouse.plurals import count_of
from bakehouse.recipe.patch import Severity

Digests = NDArray[np.uint64]

BLOCK_BYTES = 8 << 20
MIN_SHARE = 0.01
"""Share of the rows from which equal ones are a warning."""
NO_INPUTS = ("identifier", "constant")
"""The kinds of columns in which rows may differ and still be equal: they are no inputs."""


@dataclass(frozen=True)
class Compared:
    """The training rows that are compared with each other."""

    rows: int
    """Number of all training rows."""
    groups: Rows
    """For each compared row, the number of its group of rows with equal inputs."""
    labels: Rows
    """For each compared row, the number of its label; a missing one has the highest."""

    @property
    def pairs(self) -> Rows:
        """For each compared row, a number that its inputs and label have in common with equal rows only."""
        pairs: Rows = self.groups * (self.labels.max() + 1) + self.labels
        return pairs

    @property
    def suffix(self) -> str:
        return describe_sample(len(self.groups), self.rows)

    @property
    def severity(self) -> Severity:
        """Rows that can only take few values are equal by nature."""
        return "info" if 2 * (self.groups.max() + 1) < len(self.groups) else "warning"


def equal_row_findings(contents: Samples | Table, labels: Labels | None) -> Iterator[Finding]:
    """Yields what equal rows show."""
    inputs = inputs_by_split(contents, None if labels is None else labels.column)
    train, _ = inputs[""]
    if not train.size:
        return
    rows = sample_rows(len(train), COMPARED_ROWS)
    digests = {split: digest_rows(*each) for split, each in inputs.items()}
    compared = Compared(len(train), np.unique(digests[""], return_inverse=True)[1], number_labels(labels, rows))
    yield from duplicates(compared)
    if labels is not None:
        yield from disagreement(compared, labels, rows)
    yield from leaks(digests, {split: len(each) for split, (each, _) in inputs.items()})


def inputs_by_split(contents: Samples | Table, target: int | None) -> dict[str, tuple[Array, list[int] | None]]:
    """Returns for each split the array, and which of its columns are compared; None means all."""
    match contents:
        case Samples(arrays=arrays):
            return {split: (arrays[f"x{split}"], None) for split in SPLITS if f"x{split}" in arrays}
        case Table(values=values, columns=columns):
            chosen = [i for i, column in enumerate(columns) if i != target and column.kind not in NO_INPUTS]
            parts = parts_of(values if chosen else values[:, :0], contents.counts or SplitCounts(train=len(values)))
            return {suffix: (part, chosen) for suffix, part in parts.items()}


def digest_rows(values: Array, columns: list[int] | None) -> Digests:
    """Returns a digest of each row that is compared, in blocks of a few MiB."""
    rows = sample_rows(len(values), COMPARED_ROWS)
    step = max(1, BLOCK_BYTES // (values[:1].nbytes or 1))
    return np.concatenate([digest_block(values, rows[i : i + step], columns) for i in range(0, len(rows), step)])


def digest_block(values: Array, rows: Rows, columns: list[int] | None) -> Digests:
    block = values[rows] if columns is None else values[rows][:, columns]
    block = np.ascontiguousarray(block.reshape(len(block), -1))
    # Adding 0 makes -0 and 0 the same bytes.
    block = block + 0.0 if block.dtype.kind == "f" else block
    return np.frombuffer(b"".join(blake2b(row, digest_size=8).digest() for row in block), dtype=np.uint64)


def number_labels(labels: Labels | None, rows: Rows) -> Rows:
    """Numbers the distinct labels."""
    if labels is None:
        return np.zeros(len(rows), dtype=np.int64)
    return np.unique(labels.values[rows], return_inverse=True)[1].astype(np.int64)


def duplicates(compared: Compared) -> Iterator[Finding]:
    """Finds training rows that are equal to an earlier one, in inputs and label."""
    count = len(compared.groups)
    repeated = count - len(np.unique(compared.pairs))
    if not repeated:
        return
    severity: Severity = compared.severity if repeated >= MIN_SHARE * count else "info"
    message = (
        f"{repeated:,} of {count:,} training rows ({percent(repeated / count)}) "
        f"{'repeats' if repeated == 1 else 'repeat'} an earlier row, inputs and label{compared.suffix}. A row and its "
        "copy may get into different splits, and the metrics are then too good"
    )
    if compared.severity == "info":
        message += f"; but the inputs of all rows have only {compared.groups.max() + 1:,} distinct values"
    yield Finding(code="duplicate_rows", severity=severity, where="/counts/train", message=message)


def disagreement(compared: Compared, labels: Labels, rows: Rows) -> Iterator[Finding]:
    """Finds rows with equal inputs and different labels, and says how good a model can get in spite of them."""
    values = labels.values[rows]
    is_known = ~np.isnan(values)
    groups, values = compared.groups[is_known], values[is_known]
    pairs, rows_by_pair = np.unique(compared.pairs[is_known], return_counts=True)
    group_of_pair = pairs // (compared.labels.max() + 1)
    labels_by_group = np.bincount(group_of_pair)
    contradictory = int((labels_by_group[groups] > 1).sum())
    if not contradictory:
        return
    if labels.task == "classification":
        limit = f"an accuracy above {percent(best_accuracy(group_of_pair, rows_by_pair))}"
    else:
        limit = f"an R² above {best_r2(groups, values):.3f}"
    share = contradictory / len(groups)
    severity: Severity = compared.severity if share >= MIN_SHARE else "info"
    message = (
        f"{contradictory:,} of {len(groups):,} rows ({percent(share)}) have the same inputs as another row, but "
        f"another value of {labels.name}{compared.suffix}: no model can have {limit} on these {len(groups):,} rows"
    )
    yield Finding(code="label_noise", severity=severity, where=labels.where, message=message)


def best_accuracy(group_of_pair: Rows, rows_by_pair: Rows) -> float:
    """Returns the accuracy of a model that knows the commonest label of each group."""
    best = np.zeros(group_of_pair.max() + 1, dtype=np.int64)
    np.maximum.at(best, group_of_pair, rows_by_pair)
    return float(best.sum() / rows_by_pair.sum())


def best_r2(groups: Rows, values: NDArray[np.float64]) -> float:
    """Returns the R² of a model that knows the mean of each group."""
    means = np.bincount(groups, values) / np.maximum(np.bincount(groups), 1)
    return float(1 - ((values - means[groups]) ** 2).sum() / ((values - values.mean()) ** 2).sum())


def leaks(digests: Mapping[str, Digests], counts: Mapping[str, int]) -> Iterator[Finding]:
    """Finds rows of the set's own validation or test split whose inputs are in another split too."""
    for split, other in (("_validation", ""), ("_test", ""), ("_test", "_validation")):
        if split not in digests or other not in digests:
            continue
        found = int(np.isin(digests[split], digests[other]).sum())
        if not found:
            continue
        name, source = split.removeprefix("_"), other.removeprefix("_") or "training"
        suffix = describe_sample(len(digests[split]), counts[split]) or describe_sample(
            len(digests[other]), counts[other]
        )
        message = (
            f"{count_of(found, 'row')} of the {len(digests[split]):,} of the {name} split "
            f"({percent(found / len(digests[split]))}) {'is' if found == 1 else 'are'} in the {source} split too, with "
            f"the same inputs{suffix}: what is measured on them says nothing about new rows. Remove them from one"
        )
        yield Finding(code="leak_between_splits", severity="warning", where=f"/counts/{name}", message=message)
