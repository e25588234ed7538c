"""Advice on cross-validation."""

from collections.abc import Iterator

from bakehouse.advice.advice import replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.plan import Plan
from bakehouse.plan.splits import counts_outside_test
from bakehouse.plurals import count_of, listed
from bakehouse.recipe.checkpoint import checkpoints_in
from bakehouse.recipe.curriculum import Teacher
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.objective import Distillation
from bakehouse.recipe.pretraining import Hints, Transfer

LEAKAGE = "Kaufman et al. 2012, Leakage in Data Mining"


@rule("warning", about=(Dataset,), source="Kohavi 1995, A Study of Cross-Validation and Bootstrap")
def class_missing_in_folds(plan: Plan) -> Iterator[Finding]:
    """A class with fewer rows than there are folds does not validate in each of them."""
    dataset = plan.recipe.dataset
    counts = counts_outside_test(dataset, plan.card, plan.data)
    classes = plan.data.main.classes
    if dataset.folds is None or dataset.fold is None or counts is None or classes is None:
        return
    rare = {name: count for count, name in zip(counts, classes, strict=True) if 0 < count < dataset.folds}
    if not rare:
        return
    names = listed([f"{name} ({count_of(count, 'row')})" for name, count in rare.items()])
    message = f"there are classes with fewer rows outside the test split than the {dataset.folds} folds: {names}. Some "
    message += "folds validate without them, and measures of classes differ from fold to fold for that alone."
    least = min(rare.values())
    is_possible = max(dataset.fold + 1, 2) <= least
    yield Finding("/dataset/folds", message, replace("/dataset/folds", least) if is_possible else ())


@rule("warning", about=(Dataset, Transfer, Hints, Distillation, Teacher), source=LEAKAGE)
def source_saw_the_fold(plan: Plan) -> Iterator[Finding]:
    """A model that was trained on rows that validate now makes the metrics of the fold too good."""
    dataset = plan.recipe.dataset
    if dataset.folds is None:
        return
    for pointer, checkpoint in checkpoints_in(plan.recipe).items():
        source = plan.trained(checkpoint)
        is_same_data = source is not None and source.card.fingerprint == plan.card.fingerprint
        if source is not None and is_same_data and divided(source.recipe.dataset) != divided(dataset):
            message = f"{checkpoint.run} was trained on rows that validate in fold {dataset.fold} of {dataset.folds}, "
            message += "so that the metrics of this fold are too good: build on a run of the same fold and split_seed."
            yield Finding(pointer, message, ())


def divided(dataset: Dataset) -> tuple[object, ...]:
    """Returns what decides which rows validate."""
    return (dataset.target, dataset.split, dataset.split_seed, dataset.folds, dataset.fold)
