"""What each ingredient adds to a training step: `python -m bench.ingredients [ROUNDS]`.

The recipe with the ingredient beside the same recipe without it, in turn, on one torch thread; for the common ones
also beside the same step written by hand. Diagnostics are measured at an epoch's end, in steps of the plain recipe.
Times are the processor's, so that other processes do not count.
"""

import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from time import process_time
from typing import Any

import torch
from torch import nn

from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.ingredient import Ingredient, Off
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe, variants
from bakehouse.recipe.recipe import Recipe
from bench import baseline_ingredients as by_hand
from worker.data.dataset import load_data
from worker.training.training import Training

Document = dict[str, Any]
Steps = Iterator[None]

ROUNDS, STEPS = 15, 20
CPU = torch.device("cpu")
CNN: Document = {"dataset": "digits", "architecture": {"type": "cnn", "hidden": [128]}, "epochs": 1000}
NO_HIDDEN: Document = {"architecture": {"type": "cnn", "hidden": []}}
BASES: dict[str, Document] = {
    "cnn": CNN,
    "cnn without a hidden layer": {**CNN, **NO_HIDDEN},
    "cnn, batch_norm": {**CNN, "norm": "batch_norm"},
    "linear": {**CNN, "architecture": "linear"},
}
"""An ingredient is measured in the first that takes it."""
SAVED = {"run": "run_000000000000", "epoch": 1, "sha256": "0" * 64}
MEASURED = ("norm", "dropout", "augmentation", "regularizer", "objective", "curriculum", "optimizer", "schedule")

BY_HAND: dict[str, tuple[Document, Callable[[], nn.Sequential], Document]] = {
    "plain": ({}, by_hand.network, {}),
    "batch_norm": ({"norm": "batch_norm"}, partial(by_hand.network, by_hand.batch_norm), {}),
    "layer_norm": ({"norm": "layer_norm"}, partial(by_hand.network, nn.LayerNorm), {}),
    "group_norm": ({"norm": "group_norm"}, partial(by_hand.network, by_hand.group_norm), {}),
    "instance_norm": (
        {"norm": "instance_norm", **NO_HIDDEN},
        partial(by_hand.network, by_hand.instance_norm, hidden=False),
        {},
    ),
    "dropout": ({"dropout": 0.5}, partial(by_hand.network, dropout=0.5), {}),
    "l2": ({"regularizer": "l2"}, by_hand.network, {"decay": 1e-4}),
    "horizontal_flip": ({"augmentation": "horizontal_flip"}, by_hand.network, {"augment": by_hand.flipped}),
    "random_crop": ({"augmentation": "random_crop"}, by_hand.network, {"augment": by_hand.cropped}),
    "label_smoothing": ({"objective": {"label_smoothing": 0.1}}, by_hand.network, {"smoothing": 0.1}),
}
"""What a recipe adds, the network by hand, and what its loop adds."""


@dataclass(frozen=True)
class Measured:
    """A step's median time in each round, with the ingredient and without."""

    seconds: list[float]
    beside: list[float]

    def ratio(self) -> str:
        """Median and range of the rounds' ratios."""
        ratios = [ours / theirs for ours, theirs in zip(self.seconds, self.beside, strict=True)]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"

    def milliseconds(self) -> str:
        """Of the ingredient's own steps."""
        return f"{statistics.median(self.seconds) * 1000:.2f} ms"


@cache
def source() -> Plan:
    """What a recipe builds on that names a checkpoint: the plain one, untrained."""
    return planned(CNN)


def planned(document: Document) -> Plan:
    """Of a set that comes with the package."""
    recipe = read_recipe(document)
    named = {} if document == CNN else {str(SAVED["sha256"]): source()}
    return make_plan(recipe, read_card(BUILTIN / recipe.dataset.id), named)


def training_of(document: Document) -> Training:
    """Before its first step."""
    plan = planned(document)
    data = load_data(plan, BUILTIN / plan.recipe.dataset.id, CPU)
    weights = {} if document == CNN else {str(SAVED["sha256"]): training_of(CNN).weights()}
    return Training(plan, data, CPU, weights)


def steps_of(training: Training) -> Steps:
    """For ever, an optimizer step at a time, as a run makes them."""
    while True:
        for happening in training.train_epoch():
            if happening is None:
                yield
        training.validated += 1


def median_seconds(steps: Steps) -> float:
    """Of a few steps."""
    taken = []
    for _ in range(STEPS):
        started = process_time()
        next(steps)
        taken.append(process_time() - started)
    return statistics.median(taken)


def in_turn(ours: Steps, theirs: Steps, rounds: int) -> Measured:
    """A few steps of the one and of the other, and again."""
    median_seconds(ours), median_seconds(theirs)
    pairs = [(median_seconds(ours), median_seconds(theirs)) for _ in range(rounds)]
    return Measured([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def choices() -> Iterator[tuple[str, Document]]:
    """Every variant with its defaults, and every add-on of the objective."""
    for family in MEASURED:
        for tag, kind in variants(Recipe.model_fields[family].annotation).items():
            if "type" in kind.model_fields and kind is not Off:
                # At its beginning it would be plain batch norm.
                settled = {"plain_until": 0} if "plain_until" in kind.model_fields else {}
                yield tag, {family: {"type": tag, **needed(kind), **settled}}
            elif kind is not Off:
                inner = {name: variants(field.annotation) for name, field in kind.model_fields.items()}
                yield from (
                    (name, {family: {name: needed(*parts.values())}})
                    for name, parts in inner.items()
                    if len(parts) == 1
                )


def needed(kind: type[Ingredient]) -> Document:
    """The checkpoint or the further target that it cannot do without."""
    required = [(name, field.annotation) for name, field in kind.model_fields.items() if field.is_required()]
    return {name: SAVED if kind is SavedCheckpoint else "parity" for name, kind in required}


def fitting(change: Document) -> str | None:
    """The first base that takes it."""
    for name, base in BASES.items():
        try:
            planned({**base, **change})
        except RecipeInvalid:
            continue
        return name
    return None


def print_choices(rounds: int) -> None:
    """A row a variant."""
    print("| ingredient | in | a step | beside the recipe without it |\n|---|---|---|---|")
    for name, change in choices():
        base = fitting(change)
        if base is None:
            print(f"| {name} | not in digits | | |")
            continue
        pair = (training_of({**BASES[base], **change}), training_of(BASES[base]))
        found = in_turn(steps_of(pair[0]), steps_of(pair[1]), rounds)
        print(f"| {name} | {base} | {found.milliseconds()} | {found.ratio()} |", flush=True)


def print_by_hand(rounds: int) -> None:
    """A row for each common ingredient."""
    print("\n| ingredient | a step | by hand | ratio |\n|---|---|---|---|")
    for name, (change, network, loop) in BY_HAND.items():
        training = training_of({**CNN, **change})
        train = training.data.train
        inputs = training.model[0](train.inputs)
        hand = by_hand.steps(network(), inputs, train.targets, batch_size=training.plan.recipe.batch_size, **loop)
        found = in_turn(steps_of(training), hand, rounds)
        theirs = Measured(found.beside, found.beside)
        print(f"| {name} | {found.milliseconds()} | {theirs.milliseconds()} | {found.ratio()} |", flush=True)


def print_diagnostics(rounds: int) -> None:
    """A row a diagnostic: one measurement, and how many plain steps that is."""
    print("\n| diagnostic | once an epoch | plain steps |\n|---|---|---|")
    for tag in variants(Recipe.model_fields["diagnostics"].annotation):
        change = {"diagnostics": [{"type": tag}]}
        base = fitting(change) or "cnn"
        sigmoid = {"architecture": {"type": "cnn", "hidden": [128], "activation": "sigmoid"}}
        document = {**BASES[base], **(sigmoid if tag == "saturation" else {})}
        training, plain = training_of({**document, **change}), steps_of(training_of(document))
        next(steps_of(training))
        found = in_turn(diagnosed(training), plain, rounds)
        print(f"| {tag} | {found.milliseconds()} | {found.ratio()} |", flush=True)


def diagnosed(training: Training) -> Steps:
    """For ever, a measurement at a time."""
    while True:
        for _ in training.diagnose(training.model):
            pass
        yield


def main(rounds: int = ROUNDS) -> None:
    """Prints three tables."""
    torch.set_num_threads(1)
    print_choices(rounds)
    print_by_hand(rounds)
    print_diagnostics(rounds)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
