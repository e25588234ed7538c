"""Finds single inputs that give the target away, which often are known only after the target is."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Samples, Table
from bakehouse.data.profile.inputs import Input, exclude
from bakehouse.data.profile.rows import Rows, percent
from bakehouse.data.profile.target import Labels
from bakehouse.plan.card import Finding
from bakehouse.plan.columns import MAX_NAMES

Numbers = NDArray[np.float64]

MIN_ROWS = 50
"""Least number of rows with a label: in fewer, an input may give it away by chance."""
MIN_SKILL = 0.98
"""Share of the errors of a constant answer that a single input must avoid on held-out rows."""
MIN_R2 = 0.995
"""The same for numbers, which one real measurement may predict from another rather well."""


@dataclass(frozen=True)
class Rule:
    """A target and how well it is predicted from one input, on rows that were not used to find out how."""

    right: float
    """The accuracy, or R²."""
    constant: float
    """The accuracy, or R², of a constant answer."""

    @property
    def skill(self) -> float:
        return (self.right - self.constant) / (1 - self.constant) if self.constant < 1 else 0.0


def giveaways(contents: Samples | Table, inputs: list[Input], labels: Labels, rows: Rows) -> Iterator[Finding]:
    """Yields the first inputs each of which predicts the target alone."""
    labelled = rows[~np.isnan(labels.values[rows])]
    # With a single input there is nothing else to learn from.
    if len(labelled) < MIN_ROWS or len(inputs) < 2:
        return
    order = np.argsort(np.random.Philox(0).random_raw(len(labelled)), kind="stable")
    known, held_out = np.array_split(labelled[order], 2)
    found = 0
    for each in inputs:
        values = each.values(contents)
        rule = try_alone(values[known], values[held_out], labels, known, held_out)
        if rule.skill >= (MIN_SKILL if labels.task == "classification" else MIN_R2) and found < MAX_NAMES:
            found += 1
            yield describe(each, labels, rule, len(held_out))


def try_alone(known: Numbers, asked: Numbers, labels: Labels, known_rows: Rows, asked_rows: Rows) -> Rule:
    """Learns the target from the known values of an input, and predicts it for the others."""
    known, asked = fill_gaps(known), fill_gaps(asked)
    taught, right = labels.values[known_rows], labels.values[asked_rows]
    if labels.task == "regression":
        distinct, groups = np.unique(known, return_inverse=True)
        means = np.bincount(groups, taught) / np.bincount(groups)
        spread = ((right - right.mean()) ** 2).sum()
        error = ((right - np.interp(asked, distinct, means)) ** 2).sum()
        return Rule(right=float(1 - error / spread) if spread else 0.0, constant=0.0)
    distinct, answers = commonest_by_value(known, taught)
    constant = float(np.unique(right, return_counts=True)[1].max() / len(right))
    return Rule(right=float((answers[nearest(distinct, asked)] == right).mean()), constant=constant)


def fill_gaps(values: Numbers) -> Numbers:
    """Gives gaps a number of their own, because they may give a target away too."""
    return np.nan_to_num(values, nan=-1e300)


def commonest_by_value(values: Numbers, labels: Numbers) -> tuple[Numbers, Numbers]:
    """Returns the distinct values in order, and for each the commonest label."""
    distinct, groups = np.unique(values, return_inverse=True)
    known_labels, numbers = np.unique(labels, return_inverse=True)
    pairs, counts = np.unique(groups * len(known_labels) + numbers, return_counts=True)
    group_of_pair, label_of_pair = np.divmod(pairs, len(known_labels))
    answers = np.zeros(len(distinct), dtype=np.int64)
    # Of several pairs of one group, the commonest is written last.
    order = np.argsort(counts, kind="stable")
    answers[group_of_pair[order]] = label_of_pair[order]
    return distinct, known_labels[answers]


def nearest(sorted_values: Numbers, asked: Numbers) -> Rows:
    """Returns the index of the nearest of sorted values for each number."""
    above = np.minimum(np.searchsorted(sorted_values, asked), len(sorted_values) - 1)
    below = np.maximum(above - 1, 0)
    is_above = np.abs(sorted_values[above] - asked) <= np.abs(sorted_values[below] - asked)
    found: Rows = np.where(is_above, above, below)
    return found


def describe(found: Input, labels: Labels, rule: Rule, rows: int) -> Finding:
    """Says how well an input alone predicts the target."""
    if labels.task == "classification":
        how = f"an accuracy of {percent(rule.right)} on {rows:,} held-out rows"
        how += f", of which a constant answer has {percent(rule.constant)}"
    else:
        how = f"an R² of {rule.right:.4f} on {rows:,} held-out rows"
    message = (
        f"{found.name} alone predicts {labels.name}: {how}. If it is known only after the target is, or is computed "
        "from it, a model learns nothing else, and is of no use where it is not known"
    )
    return Finding(
        code="gives_target_away", severity="warning", where=found.where, message=message, patch=exclude([found])
    )
