import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakehouse.experiments.answer import Difference, Effect, ExperimentStatus, Results
from bakehouse.experiments.dot_plot import draw_dot_plot
from bakehouse.experiments.measured import ArmFacts, ComparisonQuestion, DesignType, MeasuredRun
from bakehouse.experiments.results import compute_results
from bakehouse.runs.status import Reason, Status
from tests.experiments.measured_arms import ask, factorial_of, run_of, runs_of

PLAIN = (0.90, 0.91, 0.92, 0.90, 0.91)
BETTER = (0.93, 0.945, 0.95, 0.93, 0.935)
SAME = (0.905, 0.908, 0.917, 0.904, 0.909)


def codes(results: Results) -> list[str]:
    return [caution.code for caution in results.warnings]


def test_each_arm_has_its_values_and_what_they_cost() -> None:
    values = {"plain": PLAIN, "bn": BETTER}
    question = ask(values)
    facts = replace(question.arms[1], differs={"/norm": {"type": "batch_norm"}}, parameters=1234)
    results = compute_results(replace(question, arms=(question.arms[0], facts)), runs_of(values))
    plain, bn = results.arms
    assert plain.values == {"0": 0.90, "1": 0.91, "2": 0.92, "3": 0.90, "4": 0.91}
    assert (plain.n, plain.difference) == (5, None)
    assert plain.mean == pytest.approx(0.908)
    assert (bn.epochs, bn.seconds, bn.parameters, bn.reused) == (12, 2, 1234, 0)
    assert bn.test == pytest.approx({"test_accuracy": 0.9, "test_loss": 0.2})
    assert bn.differs == {"/norm": {"type": "batch_norm"}}
    assert (results.finished, results.runs, results.higher_is_better) == (10, 10, True)


def test_arms_are_paired_by_seed_and_judged_by_the_adjusted_p() -> None:
    values = {"plain": PLAIN, "bn": BETTER, "same": SAME, "worse": [value - 0.1 for value in BETTER]}
    results = compute_results(ask(values), runs_of(values))
    found = {arm.name: arm.difference for arm in results.arms if arm.difference is not None}
    assert {name: each.verdict for name, each in found.items()} == {
        "bn": "better",
        "same": "no clear effect",
        "worse": "worse",
    }
    assert all((each.p_adjusted or 0) >= (each.p or 0) for each in found.values())
    assert found["bn"].mean == pytest.approx(0.03)
    assert found["bn"].p_sign_flip == 2 / 2**5
    assert results.warnings == ()


def test_a_lower_loss_is_better() -> None:
    values = {"plain": PLAIN, "bn": BETTER}
    results = compute_results(ask(values, metric="validation_loss"), runs_of(values))
    assert results.arms[1].difference is not None
    assert results.arms[1].difference.verdict == "worse"


def test_the_order_of_the_runs_does_not_matter() -> None:
    values = {"plain": PLAIN, "bn": BETTER}
    runs = runs_of(values)
    assert compute_results(ask(values), runs[::-1]) == compute_results(ask(values), runs)


def test_only_seeds_with_a_value_in_both_arms_are_paired() -> None:
    values = {"plain": (*PLAIN[:3], None, 0.91), "bn": (None, *BETTER[1:])}
    results = compute_results(ask(values), runs_of(values))
    bn = results.arms[1]
    assert bn.difference is not None
    assert bn.difference.n == 3
    assert bn.difference.mean == pytest.approx((0.035 + 0.03 + 0.025) / 3)
    assert [(run.seed, run.code, run.message) for run in bn.failed] == [
        (0, "out_of_memory", "The GPU has too little memory.")
    ]
    assert codes(results) == ["missing_pairs"]
    assert results.warnings[0].message == (
        "'bn' is compared by 3 pairs, without seed 0 (no value in 'bn'), 3 (no value in 'plain')."
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_value_that_is_not_finite_is_a_failure_and_no_number(value: float | None) -> None:
    values = {"plain": PLAIN, "bn": BETTER}
    runs = [replace(run, value=value) if run.run == "run_bn_2" else run for run in runs_of(values)]
    results = compute_results(ask(values), runs)
    assert results.arms[1].n == 4
    assert [run.code for run in results.arms[1].failed] == ["no_value"]
    assert "NaN" not in results.model_dump_json()
    assert Results.model_validate_json(results.model_dump_json()) == results


def test_an_arm_that_failed_wholly_has_no_difference_but_a_reason() -> None:
    values = {"plain": PLAIN, "bn": [None] * 5, "same": SAME}
    results = compute_results(ask(values), runs_of(values))
    _, bn, same = results.arms
    assert (bn.n, bn.mean, bn.sd, bn.interval, bn.difference) == (0, None, None, None, None)
    assert bn.not_compared == "No run of 'bn' has a value: The GPU has too little memory."
    assert same.difference is not None
    # What was not tested does not count in the adjustment.
    assert same.difference.p_adjusted == same.difference.p


def test_without_a_baseline_nothing_is_compared() -> None:
    values = {"plain": [None] * 5, "bn": BETTER}
    results = compute_results(ask(values), runs_of(values))
    assert results.arms[1].difference is None
    assert results.arms[1].not_compared == "No run of 'plain' has a value: The GPU has too little memory."


@pytest.mark.parametrize("seeds", [0, 1])
def test_no_seed_and_one_seed_have_no_verdict_but_words(seeds: int) -> None:
    values = {"plain": PLAIN[:seeds], "bn": BETTER[:seeds]}
    results = compute_results(ask(values), runs_of(values))
    found = results.arms[1].difference
    assert results.sentence
    if seeds == 0:
        assert found is None
        return
    assert found is not None
    assert (found.p, found.interval, found.verdict) == (None, None, "no clear effect")
    assert codes(results) == ["few_seeds"]


def test_arms_that_no_seed_changes_are_not_told_from_noise() -> None:
    values = {"plain": [0.9] * 8, "bn": [0.95] * 8}
    results = compute_results(ask(values), runs_of(values))
    found = results.arms[1].difference
    assert found is not None
    assert (found.p, found.verdict, found.interval) == (None, "no clear effect", None)
    assert codes(results) == ["no_noise"]
    assert (results.arms[0].sd, results.arms[0].interval) == (0, None)


def test_losses_of_recipes_with_different_objectives_are_not_compared() -> None:
    values = {"plain": PLAIN, "poisson": BETTER}
    for metric, is_compared in (("validation_loss", False), ("validation_r2", True)):
        question = ask(values, metric=metric)
        arms = (question.arms[0], ArmFacts("poisson", objective="poisson"))
        results = compute_results(replace(question, arms=arms), runs_of(values))
        assert (results.arms[1].difference is not None) == is_compared
        assert ("different_objectives" in codes(results)) != is_compared
        assert (results.arms[1].not_compared is None) == is_compared


def test_warnings_name_what_makes_a_comparison_unfair() -> None:
    values = {"plain": PLAIN, "other": BETTER}
    question = ask(values)
    other = ArmFacts("other", split="another", monitor="validation_loss", budget="20 epochs")
    plain = replace(question.arms[0], monitor="validation_accuracy", budget="10 epochs")
    runs = [replace(run, data="another") if run.arm == "other" else run for run in runs_of(values)]
    runs[0] = replace(runs[0], exact=False)
    runs[1] = replace(runs[1], reason="time_budget")
    results = compute_results(replace(question, arms=(plain, other)), runs)
    assert {caution.code: caution.arms for caution in results.warnings} == {
        "different_data": ("other",),
        "different_splits": ("other",),
        "different_budgets": ("other",),
        "different_monitors": ("other",),
        "cut_short": ("plain",),
        "not_exact": ("plain",),
    }


def test_an_ablation_says_what_each_ingredient_is_worth() -> None:
    worse = [value - 0.03 + 0.002 * (seed % 2) for seed, value in enumerate(PLAIN)]
    values = {"recipe": PLAIN, "without batch_norm": worse, "without dropout": SAME, "without all of them": worse}
    results = compute_results(ask(values, design="ablation"), runs_of(values))
    found = results.arms[1].difference
    assert found is not None
    assert found.interval is not None
    worth = results.effects[0]
    assert [effect.ingredients for effect in results.effects] == [
        ("batch_norm",),
        ("dropout",),
        ("all of them",),
    ]
    assert (worth.mean, worth.p_adjusted, worth.verdict) == (-found.mean, found.p_adjusted, "better")
    assert worth.interval == (-found.interval[1], -found.interval[0])


def test_a_factorial_is_the_example_of_a_textbook() -> None:
    # Montgomery, Design and Analysis of Experiments, chapter 6: the yield by reactant and catalyst, three times each.
    values = {"none": (28, 25, 27), "B": (18, 19, 23), "A": (36, 32, 32), "A + B": (31, 30, 29)}
    results = compute_results(factorial_of(values, ("A", "B")), runs_of(values))
    means = {effect.ingredients: effect.mean for effect in results.effects}
    assert means == pytest.approx({("A",): 25 / 3, ("B",): -5, ("A", "B"): 5 / 3})
    assert [effect.type for effect in results.effects] == ["main", "main", "interaction"]


def test_a_factorial_uses_the_seeds_that_every_combination_has() -> None:
    values = {"none": PLAIN, "B": (None, *SAME[1:]), "A": BETTER, "A + B": SAME}
    results = compute_results(factorial_of(values, ("A", "B")), runs_of(values))
    assert {effect.n for effect in results.effects} == {4}
    assert codes(results) == ["missing_pairs", "missing_pairs"]
    nothing = compute_results(factorial_of(values, ("A", "B")), runs_of({**values, "B": [None] * 5}))
    assert nothing.effects == ()


def test_a_cross_validation_pairs_seeds_and_folds() -> None:
    values = {"plain": PLAIN, "bn": BETTER}
    runs = [replace(run, seed=7, fold=run.seed) for run in runs_of(values)]
    results = compute_results(ask(values, folds=5), runs)
    found = results.arms[1].difference
    assert list(results.arms[0].values) == ["7/0", "7/1", "7/2", "7/3", "7/4"]
    assert found is not None
    assert (found.n, found.test, found.p_sign_flip) == (5, "corrected_t", None)
    plain = compute_results(ask(values), runs_of(values)).arms[1].difference
    assert plain is not None
    assert (found.p or 0) > (plain.p or 0)


def test_runs_that_are_not_over_are_missing_without_a_warning() -> None:
    values = {"plain": PLAIN, "bn": BETTER}
    waiting = [replace(run, status="running", reason="claimed") if run.seed == 4 else run for run in runs_of(values)]
    results = compute_results(replace(ask(values), status="running"), waiting)
    assert (results.finished, results.runs, results.arms[1].n) == (8, 10, 4)
    assert results.warnings == ()


def test_the_json_is_that_of_the_design() -> None:
    values = {"recipe": PLAIN, "without dropout": SAME}
    document = json.loads(compute_results(ask(values), runs_of(values)).model_dump_json())
    assert document["arms"][1]["values"]["4"] == 0.909
    assert {"mean", "interval", "p", "p_adjusted", "p_sign_flip", "verdict", "detectable", "seeds_for_half"} <= set(
        document["arms"][1]["difference"]
    )


values = st.sampled_from([None, math.nan, math.inf, 0.0, 1.0, 0.5, 0.5 + 1e-17]) | st.floats(allow_nan=False)
OUTCOMES: list[tuple[Status, Reason]] = [
    ("succeeded", "epochs_done"),
    ("succeeded", "time_budget"),
    ("failed", "non_finite"),
    ("running", "claimed"),
]


@st.composite
def questions(draw: st.DrawFn) -> tuple[ComparisonQuestion, list[MeasuredRun]]:
    """Draws any experiment of four arms with any runs."""
    names = ["none", "b", "a", "a + b"]
    design: DesignType = draw(st.sampled_from(get_args(DesignType)))
    folds = draw(st.sampled_from([None, 2, 5]))
    question = factorial_of(dict.fromkeys(names, ()), ("a", "b"))
    metric = draw(st.sampled_from(["validation_loss", "validation_accuracy"]))
    status: ExperimentStatus = draw(st.sampled_from(get_args(ExperimentStatus)))
    places = [(seed, fold) for seed in range(draw(st.integers(0, 4))) for fold in range(folds or 1)]
    runs = []
    for name in names:
        for seed, fold in places:
            state, reason = draw(st.sampled_from(OUTCOMES))
            run = replace(run_of(name, seed, draw(values)), status=state, reason=reason, fold=fold if folds else None)
            runs.append(run)
    return replace(question, design=design, folds=folds, metric=metric, status=status), runs


@settings(max_examples=60)
@given(questions())
def test_any_runs_have_an_answer_without_a_false_number(drawn: tuple[ComparisonQuestion, list[MeasuredRun]]) -> None:
    results = compute_results(*drawn)
    assert Results.model_validate_json(results.model_dump_json()) == results
    assert results.sentence.endswith(".")
    ET.fromstring(draw_dot_plot(results))  # noqa: S314 (drawn here)
    judged: list[Difference | Effect] = [arm.difference for arm in results.arms if arm.difference is not None]
    for each in [*judged, *results.effects]:
        assert each.p is None or 0 < each.p <= 1
        assert each.n > 1 or (each.p, each.interval, each.verdict) == (None, None, "no clear effect")


# Under the null all arms have the same mean; the seeds they share make their values depend on each other.
@pytest.mark.parametrize(("design", "draws"), [("variants", 2000), ("rounded", 500), ("factorial", 500)])
def test_under_the_null_few_experiments_find_an_effect(design: str, draws: int) -> None:
    random.seed(0)
    names = ["a", "b", "c", "d"]
    found = 0
    for _ in range(draws):
        shared = [random.gauss(0.9, 0.01) for _ in range(5)]
        values = {name: [value + random.gauss(0, 0.01) for value in shared] for name in names}
        if design == "rounded":
            # Accuracies on 360 rows.
            values = {name: [round(value * 360) / 360 for value in each] for name, each in values.items()}
        question = factorial_of(values, ("x", "y")) if design == "factorial" else ask(values)
        results = compute_results(question, runs_of(values))
        judged: Sequence[Difference | Effect] = results.effects or [
            arm.difference for arm in results.arms if arm.difference is not None
        ]
        found += any(each.verdict != "no clear effect" for each in judged)
    assert found / draws <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)


def test_an_empty_arm_is_waiting() -> None:
    results = compute_results(ask({"plain": PLAIN, "bn": ()}), [run_of("plain", 0, 0.9)])
    assert results.arms[1].not_compared == "No run of 'bn' is finished yet."
