"""Measures what each ingredient adds to a training step: `python -m bench.ingredients [ROUNDS]`.

Steps of a recipe with the ingredient alternate with steps of the same recipe without it, on one torch thread. Steps
with the common ingredients also alternate with the same step in plain PyTorch. A diagnostic is measured at the end of
an epoch, in steps of the recipe without it. Times are processor times, which other processes do not affect.
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
from bakehouse.recipe.ingredient import Ingredient, Off, variants
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from bench import baseline_ingredients as baseline
from worker.data.dataset import load_data
from worker.device import keep_buffers
from worker.training.events import EpochLog
from worker.training.training import Training

Document = dict[str, Any]
Steps = Iterator[None]

ROUNDS = 15
STEPS = 20  # in a round
CPU = torch.device("cpu")
CNN: Document = {"dataset": "digits", "architecture": {"type": "cnn", "hidden": [128]}, "epochs": 1000}
NO_HIDDEN: Document = {"architecture": {"type": "cnn", "hidden": []}}
DEFAULTS: Document = {"dataset": "digits", "architecture": "cnn", "epochs": 1000, "early_stopping": "none"}
"""A recipe with the defaults of everything that an epoch consists of."""
BASES: dict[str, Document] = {
    "cnn": CNN,
    "cnn without a hidden layer": {**CNN, **NO_HIDDEN},
    "cnn, batch_norm": {**CNN, "norm": "batch_norm"},
    "linear": {**CNN, "architecture": "linear"},
}
"""Recipes by name; an ingredient is measured in the first recipe that accepts it."""
SAVED = {"run": "run_000000000000", "epoch": 1, "sha256": "0" * 64}
MEASURED = ("norm", "dropout", "augmentation", "regularizer", "objective", "curriculum", "optimizer", "schedule")

BASELINES: dict[str, tuple[Document, Callable[[], nn.Sequential], Document]] = {
    "plain": ({}, baseline.network, {}),
    "batch_norm": ({"norm": "batch_norm"}, partial(baseline.network, baseline.batch_norm), {}),
    "layer_norm": ({"norm": "layer_norm"}, partial(baseline.network, nn.LayerNorm), {}),
    "group_norm": ({"norm": "group_norm"}, partial(baseline.network, baseline.group_norm), {}),
    "instance_norm": (
        {"norm": "instance_norm", **NO_HIDDEN},
        partial(baseline.network, baseline.instance_norm, hidden=False),
        {},
    ),
    "dropout": ({"dropout": 0.5}, partial(baseline.network, dropout=0.5), {}),
    "l2": ({"regularizer": "l2"}, baseline.network, {"decay": 1e-4}),
    "horizontal_flip": ({"augmentation": "horizontal_flip"}, baseline.network, {"augment": baseline.flip}),
    "random_crop": ({"augmentation": "random_crop"}, baseline.network, {"augment": baseline.crop}),
    "label_smoothing": ({"objective": {"label_smoothing": 0.1}}, baseline.network, {"smoothing": 0.1}),
}
"""For each ingredient: the change of the recipe, the network in plain PyTorch, and the options of its loop."""


@dataclass(frozen=True)
class Measured:
    """Median times of a step in each round, with the ingredient and in the steps for comparison."""

    seconds: list[float]
    reference: list[float]

    def ratio(self) -> str:
        """Returns the median and range of the ratios of all rounds as text."""
        ratios = [a / b for a, b in zip(self.seconds, self.reference, strict=True)]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"

    def milliseconds(self) -> str:
        """Returns the median time of a step with the ingredient as text."""
        return f"{statistics.median(self.seconds) * 1000:.2f} ms"


@cache
def source() -> Plan:
    """Returns the plan of the checkpoint that recipes name: an untrained model of the recipe without ingredients."""
    return planned(CNN)


def planned(document: Document) -> Plan:
    recipe = read_recipe(document)
    checkpoints = {} if document == CNN else {str(SAVED["sha256"]): source()}
    return make_plan(recipe, read_card(BUILTIN / recipe.dataset.id), checkpoints)


def training_of(document: Document) -> Training:
    plan = planned(document)
    data = load_data(plan, BUILTIN / plan.recipe.dataset.id, CPU)
    weights = {} if document == CNN else {str(SAVED["sha256"]): training_of(CNN).weights()}
    return Training(plan, data, CPU, weights)


def steps_of(training: Training) -> Steps:
    """Trains without end, as a run does between its validations, and yields after each optimizer step."""
    while True:
        for _ in training.begin_epoch():
            pass
        for inputs, targets in training.batches.from_step(training.step):
            training.update(inputs, targets)
            for _ in training.read_if_due():
                pass
            yield


def epochs_of(training: Training) -> Steps:
    """Trains as a run does, and yields after each epoch and its validation."""
    for event in training.run():
        if isinstance(event, EpochLog):
            yield


def median_seconds(steps: Steps) -> float:
    times = []
    for _ in range(STEPS):
        started = process_time()
        next(steps)
        times.append(process_time() - started)
    return statistics.median(times)


def measure_in_turn(steps: Steps, reference: Steps, rounds: int) -> Measured:
    """Measures steps of both trainings in turn, a few at a time, after a first round that is not counted."""
    median_seconds(steps)
    median_seconds(reference)
    pairs = [(median_seconds(steps), median_seconds(reference)) for _ in range(rounds)]
    return Measured([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def choices() -> Iterator[tuple[str, Document]]:
    """Yields every variant with its defaults, and every part of the objective."""
    for family in MEASURED:
        for tag, kind in variants(Recipe.model_fields[family].annotation).items():
            if "type" in kind.model_fields and kind is not Off:
                # During burn-in the norm would be plain batch norm.
                after_burn_in = {"burn_in": 0} if "burn_in" in kind.model_fields else {}
                yield tag, {family: {"type": tag, **needed(kind), **after_burn_in}}
            elif kind is not Off:
                inner = {name: variants(field.annotation) for name, field in kind.model_fields.items()}
                yield from (
                    (name, {family: {name: needed(*parts.values())}})
                    for name, parts in inner.items()
                    if len(parts) == 1
                )


def needed(kind: type[Ingredient]) -> Document:
    """Returns values for the required fields of a variant: a checkpoint, or the name of a further target."""
    required = [(name, field.annotation) for name, field in kind.model_fields.items() if field.is_required()]
    return {name: SAVED if kind is SavedCheckpoint else "parity" for name, kind in required}


def find_base(change: Document) -> str | None:
    """Returns the name of the first recipe of `BASES` that accepts the change."""
    for name, base in BASES.items():
        try:
            planned({**base, **change})
        except RecipeInvalid:
            continue
        return name
    return None


def print_choices(rounds: int) -> None:
    """Prints a row for each variant."""
    print("| ingredient | in | a step | ratio to the recipe without it |\n|---|---|---|---|")
    for name, change in choices():
        base = find_base(change)
        if base is None:
            print(f"| {name} | does not fit digits | | |")
            continue
        training = training_of({**BASES[base], **change})
        measured = measure_in_turn(steps_of(training), steps_of(training_of(BASES[base])), rounds)
        print(f"| {name} | {base} | {measured.milliseconds()} | {measured.ratio()} |", flush=True)


def print_baselines(rounds: int) -> None:
    """Prints a row for each common ingredient."""
    print("\n| ingredient | a step | in plain PyTorch | ratio |\n|---|---|---|---|")
    for name, (change, network, loop) in BASELINES.items():
        training = training_of({**CNN, **change})
        train = training.data.train
        inputs = training.model[0](train.inputs)
        batch_size = training.plan.recipe.batch_size
        plain = baseline.steps(network(), inputs, train.targets, batch_size=batch_size, **loop)
        measured = measure_in_turn(steps_of(training), plain, rounds)
        plain_time = f"{statistics.median(measured.reference) * 1000:.2f} ms"
        print(f"| {name} | {measured.milliseconds()} | {plain_time} | {measured.ratio()} |", flush=True)


def print_defaults(rounds: int) -> None:
    """Prints a row for whole epochs of a recipe with its defaults: steps, log and validation."""
    training = training_of(DEFAULTS)
    train = training.data.train
    steps = training.plan.steps_per_epoch
    plain = baseline.steps(baseline.network(), training.model[0](train.inputs), train.targets, batch_size=64)
    epochs = epochs_of(training)
    pairs = [(seconds_of(epochs, 1) / steps, seconds_of(plain, steps) / steps) for _ in range(rounds + 1)][1:]
    measured = Measured([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    plain_time = f"{statistics.median(measured.reference) * 1000:.2f} ms"
    print(f"| defaults, whole epochs | {measured.milliseconds()} | {plain_time} | {measured.ratio()} |", flush=True)


def seconds_of(steps: Steps, count: int) -> float:
    started = process_time()
    for _ in range(count):
        next(steps)
    return process_time() - started


def print_diagnostics(rounds: int) -> None:
    """Prints a row for each diagnostic: the time of one measurement, in milliseconds and in plain steps."""
    print("\n| diagnostic | once an epoch | plain steps |\n|---|---|---|")
    for tag in variants(Recipe.model_fields["diagnostics"].annotation):
        change = {"diagnostics": [{"type": tag}]}
        base = find_base(change) or "cnn"
        sigmoid = {"architecture": {"type": "cnn", "hidden": [128], "activation": "sigmoid"}}
        document = {**BASES[base], **(sigmoid if tag == "saturation" else {})}
        training = training_of({**document, **change})
        next(steps_of(training))
        measured = measure_in_turn(diagnosis_steps(training), steps_of(training_of(document)), rounds)
        print(f"| {tag} | {measured.milliseconds()} | {measured.ratio()} |", flush=True)


def diagnosis_steps(training: Training) -> Steps:
    """Measures the diagnostics without end and yields after each time."""
    while True:
        for _ in training.diagnose(training.model):
            pass
        yield


def main(rounds: int = ROUNDS) -> None:
    """Prints three tables."""
    torch.set_num_threads(1)
    # The allocator's settings of a run; the plain loop in this process has them too.
    keep_buffers()
    print_choices(rounds)
    print_baselines(rounds)
    print_defaults(rounds)
    print_diagnostics(rounds)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
