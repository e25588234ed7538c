"""Makes runs of experiments that are measured already."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bakehouse.experiments.measured import ArmFacts, DesignType, MeasuredRun, Question

Values = Mapping[str, Sequence[float | None]]
"""The value of each arm for seed 0, 1 and so on; None is a run that failed."""


def ask(
    values: Values, design: DesignType = "variants", metric: str = "validation_accuracy", folds: int | None = None
) -> Question:
    """Returns the question behind some arms, of which the first is the baseline."""
    arms = tuple(ArmFacts(name) for name in values)
    return Question("exp_1", "finished", design, metric, arms[0].name, arms, folds=folds)


def runs_of(values: Values) -> list[MeasuredRun]:
    return [run_of(arm, seed, value) for arm, each in values.items() for seed, value in enumerate(each)]


def run_of(arm: str, seed: int, value: float | None) -> MeasuredRun:
    run = MeasuredRun(
        arm=arm,
        seed=seed,
        run=f"run_{arm}_{seed}",
        status="succeeded",
        reason="epochs_done",
        value=value,
        test={"test_accuracy": 0.9, "test_loss": 0.1 * seed},
        epochs=10 + seed,
        seconds=2.0,
        data="fingerprint",
    )
    if value is not None:
        return run
    return replace(run, status="failed", reason="out_of_memory", message="The GPU has too little memory.")


def ablation_of(values: Values, metric: str = "validation_accuracy") -> Question:
    """Returns the ablation of a recipe with batch norm and dropout; the arms are in the order of a document."""
    names = list(values)
    levels = ((True, True), (False, True), (True, False), (False, False))
    arms = tuple(ArmFacts(name, levels=on) for name, on in zip(names, levels, strict=True))
    return Question("exp_1", "finished", "ablation", metric, names[0], arms, factors=("batch_norm", "dropout"))


def factorial_of(values: Values, factors: tuple[str, ...]) -> Question:
    """Returns a factorial whose arms are in the order of a document: the last factor changes first."""
    levels = itertools.product((False, True), repeat=len(factors))
    arms = tuple(ArmFacts(name, levels=on) for name, on in zip(values, levels, strict=True))
    return Question("exp_1", "finished", "factorial", "validation_accuracy", arms[0].name, arms, factors=factors)
