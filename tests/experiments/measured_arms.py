"""Makes runs of experiments that are measured already."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bakehouse.experiments.ensemble import Ensemble
from bakehouse.experiments.measured import ArmFacts, ComparisonQuestion, DesignType, MeasuredRun

Values = Mapping[str, Sequence[float | None]]
"""The value of each arm for seed 0, 1 and so on; None is a run that failed."""


def ask(
    values: Values, design: DesignType = "variants", metric: str = "validation_accuracy", folds: int | None = None
) -> ComparisonQuestion:
    """Returns the question behind some arms, of which the first is the baseline."""
    arms = tuple(ArmFacts(name) for name in values)
    return ComparisonQuestion("exp_1", "finished", design, metric, arms[0].name, arms, folds=folds)


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


def factorial_of(values: Values, factors: tuple[str, ...]) -> ComparisonQuestion:
    """Returns a factorial whose arms are in the order of a document: the last factor changes first."""
    levels = itertools.product((False, True), repeat=len(factors))
    arms = tuple(ArmFacts(name, levels=on) for name, on in zip(values, levels, strict=True))
    return ComparisonQuestion(
        "exp_1", "finished", "factorial", "validation_accuracy", arms[0].name, arms, factors=factors
    )


def an_ensemble(arm: str) -> Ensemble:
    return Ensemble(
        name=f"{arm}-geometric",
        arm=arm,
        mean="geometric",
        n=3,
        runs=("run_0", "run_1", "run_2"),
        validation={"validation_accuracy": 0.994},
        test={"test_accuracy": 0.95, "test_loss": 0.2},
        members={"validation_accuracy": 0.98},
        sentence="It is one model.",
        created_at="",
    )
