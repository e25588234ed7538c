from dataclasses import replace

from bakehouse.experiments.measured import ArmFacts, ComparisonQuestion, MeasuredRun
from bakehouse.experiments.results import compute_results
from tests.experiments.measured_arms import Values, ask, factorial_of, runs_of

RECIPE = (0.98, 0.978, 0.982, 0.979, 0.981)
SAME = (0.985, 0.983, 0.984, 0.981, 0.975)
WORSE = (0.95, 0.949, 0.951, 0.947, 0.952)


def sentence(question: ComparisonQuestion, values: Values) -> str:
    return compute_results(question, runs_of(values)).sentence


def running(runs: list[MeasuredRun], finished: int) -> list[MeasuredRun]:
    return [*runs[:finished], *(replace(run, status="queued", reason="submitted") for run in runs[finished:])]


def test_an_ablation_says_what_happens_without_each_ingredient() -> None:
    values = {"recipe": RECIPE, "without norm": WORSE, "without dropout": SAME, "without all of them": WORSE}
    assert sentence(ask(values, design="ablation"), values) == (
        "Without norm: worse (-3.02 points, -3.18 to -2.86, n = 5). "
        "Without dropout: no clear effect (+0.2 points, -0.4 to 0.7, n = 5). "
        "Without all of them: worse (-3.02 points, -3.18 to -2.86, n = 5)."
    )


def test_variants_are_named_with_what_they_are_compared_with() -> None:
    values = {"plain": WORSE, "norm": RECIPE}
    assert sentence(ask(values), values) == "norm against plain: better (+3.02 points, 2.86 to 3.18, n = 5)."


def test_a_loss_has_its_name_and_the_digits_that_its_interval_deserves() -> None:
    values = {"plain": (0.31, 0.32, 0.29, 0.30), "norm": (0.21, 0.22, 0.20, 0.19)}
    assert sentence(ask(values, metric="validation_loss"), values) == (
        "norm against plain: better (validation_loss -0.100, -0.113 to -0.087, n = 4)."
    )


def test_one_seed_cannot_tell_an_effect_from_noise() -> None:
    values = {"plain": [0.9], "norm": [0.92], "dropout": [0.9]}
    assert sentence(ask(values), values) == (
        "norm against plain: no clear effect (+2.0 points, n = 1). "
        "dropout against plain: no clear effect (0.0 points, n = 1). One pair cannot tell an effect from noise."
    )


def test_equal_differences_are_said_to_be_equal() -> None:
    values = {"plain": RECIPE, "same": RECIPE, "more": [value + 0.01 for value in RECIPE]}
    assert sentence(ask(values), values) == (
        "same against plain: no clear effect (0.0 points, n = 5). All 5 differences are 0. "
        "more against plain: no clear effect (+1.0 points, n = 5). "
        "All 5 differences are equal, so that p = 0.062 is that of the exact sign-flip test."
    )


def test_an_interval_without_0_that_the_adjustment_outweighs_is_explained() -> None:
    values = {"plain": (0.90, 0.91, 0.92), "a": (0.91, 0.92, 0.935), "b": (0.905, 0.92, 0.93), "c": (0.9, 0.92, 0.92)}
    text = sentence(ask(values), values)
    assert "By itself it would be clear, but there are 3 comparisons (adjusted p = " in text


def test_of_many_arms_those_with_a_clear_effect_are_told() -> None:
    same = {f"same {number}": SAME for number in range(8)}
    values = {"plain": RECIPE, "worse": WORSE, **same}
    assert sentence(ask(values, design="grid"), values) == (
        "worse against plain: worse (-3.02 points, -3.18 to -2.86, n = 5). 8 other arms have smaller effects or none."
    )
    values = {"plain": RECIPE, **same}
    assert sentence(ask(values, design="grid"), values) == "None of 8 arms has a clear effect."


def test_a_factorial_says_its_main_effects_and_its_clear_interactions() -> None:
    values = {"none of them": WORSE, "dropout": WORSE, "norm": RECIPE, "norm + dropout": RECIPE}
    assert sentence(factorial_of(values, ("norm", "dropout")), values) == (
        "norm: better (+3.02 points, 2.86 to 3.18, n = 5). dropout: no clear effect (0.0 points, n = 5). "
        "All 5 differences are 0. Their interaction is not clear."
    )
    values["norm + dropout"] = SAME[::-1]
    values["norm"] = WORSE
    assert "norm with dropout: better together than the sum of both effects (+1." in sentence(
        factorial_of(values, ("norm", "dropout")), values
    )


def test_while_it_runs_the_sentence_says_how_far_it_is() -> None:
    values = {"plain": WORSE, "norm": RECIPE}
    question = replace(ask(values), status="running")
    assert compute_results(question, running(runs_of(values), 0)).sentence == (
        "0 of 10 runs are finished: No run has a value yet."
    )
    assert compute_results(question, running(runs_of(values), 1)).sentence == (
        "1 of 10 runs is finished: plain: validation_accuracy 95.0 %, n = 1."
    )
    paused = compute_results(replace(question, status="paused"), running(runs_of(values), 8))
    assert paused.sentence == (
        "8 of 10 runs are finished, and the experiment is paused: "
        "norm against plain: better (+3.00 points, 2.75 to 3.25, n = 3)."
    )


def test_failures_are_counted_and_if_all_failed_the_reason_is_told() -> None:
    values = {"plain": [*WORSE[:4], None], "norm": RECIPE}
    assert sentence(ask(values), values).endswith("n = 4). 1 of 10 runs has no value.")
    values = {"plain": [None] * 5, "norm": [None] * 5}
    assert sentence(ask(values), values) == ("No run has a value. The first reason: The GPU has too little memory.")
    values = {"plain": [None] * 5, "norm": RECIPE}
    assert sentence(ask(values), values) == (
        "norm: validation_accuracy 98.00 % (97.80 to 98.20), n = 5. "
        "No run of 'plain' has a value: The GPU has too little memory. 5 of 10 runs have no value."
    )


def test_a_cancelled_experiment_says_so_and_what_there_is() -> None:
    values = {"plain": WORSE, "norm": RECIPE}
    runs = [
        replace(run, status="cancelled", reason="cancelled_by_user") if run.seed > 2 else run for run in runs_of(values)
    ]
    assert compute_results(replace(ask(values), status="cancelled"), runs).sentence == (
        "The experiment was cancelled. norm against plain: better (+3.00 points, 2.75 to 3.25, n = 3). "
        "4 of 10 runs have no value."
    )


def test_a_search_names_the_best_of_those_that_were_repeated_most() -> None:
    values = {"trial 0": [0.99], "trial 1": [0.9], "confirmed 1": RECIPE, "confirmed 2": WORSE}
    chosen = {"/norm": {"type": "batch_norm", "eps": 1e-5}, "/optimizer/lr": 0.00080865, "/dropout": []}
    arms = tuple(ArmFacts(name, chosen if name == "confirmed 1" else {}) for name in values)
    question = ComparisonQuestion("exp_1", "finished", "search", "validation_accuracy", None, arms)
    assert sentence(question, values) == (
        "confirmed 1 (batch_norm, lr 0.0008086) is best: validation_accuracy 98.00 % (97.80 to 98.20), n = 5."
    )


def confirmed_search(values: Values) -> ComparisonQuestion:
    """Returns a search that has trained its recipe and some trials again with new seeds."""
    arms = tuple(ArmFacts(name, is_trial=name in ("trial 0", "trial 1")) for name in values)
    return ComparisonQuestion("exp_1", "finished", "search", "validation_accuracy", "recipe", arms)


def test_a_search_compares_its_winners_with_the_recipe_and_not_its_trials() -> None:
    values = {"trial 0": [0.99], "trial 1": [0.9], "recipe": WORSE, "trial 1 confirmed": RECIPE}
    one = compute_results(confirmed_search(values), runs_of(values))
    assert one.sentence == (
        "trial 1 confirmed has validation_accuracy 98.00 % (97.80 to 98.20), n = 5. "
        "trial 1 confirmed against recipe: better (+3.02 points, 2.86 to 3.18, n = 5)."
    )
    assert [arm.name for arm in one.arms if arm.takes_part] == ["trial 1 confirmed"]
    assert [arm.not_compared for arm in one.arms] == [None] * 4
    values["trial 0 confirmed"] = SAME
    two = compute_results(confirmed_search(values), runs_of(values))
    assert two.sentence == (
        "trial 0 confirmed is the best of 2 confirmed trials: validation_accuracy 98.2 % (97.7 to 98.7), n = 5. "
        "trial 1 confirmed against recipe: better (+3.02 points, 2.86 to 3.18, n = 5). "
        "trial 0 confirmed against recipe: better (+3.2 points, 2.6 to 3.8, n = 5)."
    )
    adjusted = [(arm.difference.p, arm.difference.p_adjusted) for arm in two.arms if arm.difference]
    assert [after / before for before, after in adjusted if before and after] == [2, 1]


def test_a_trial_that_was_pruned_is_not_the_best() -> None:
    values = {"trial 0": [0.9], "trial 1": [0.99], "trial 2": [0.8]}
    arms = tuple(ArmFacts(name, is_trial=True) for name in values)
    question = ComparisonQuestion("exp_1", "finished", "search", "validation_accuracy", None, arms)
    runs = [replace(run, reason="pruned") if run.arm == "trial 1" else run for run in runs_of(values)]
    results = compute_results(question, runs)
    assert results.sentence == "trial 0 is best: validation_accuracy 90.0 %, n = 1."
    assert [arm.pruned for arm in results.arms] == [False, True, False]


def test_a_search_says_why_its_winners_are_not_compared() -> None:
    values: Values = {"trial 0": [0.99], "trial 1": [0.9], "recipe": [None] * 5, "trial 1 confirmed": RECIPE}
    assert sentence(confirmed_search(values), values) == (
        "trial 1 confirmed has validation_accuracy 98.00 % (97.80 to 98.20), n = 5. "
        "No run of 'recipe' has a value: The GPU has too little memory. 5 of 12 runs have no value."
    )
    values = {"trial 0": [0.99], "trial 1": [0.9], "recipe": RECIPE, "trial 1 confirmed": [None] * 5}
    assert sentence(confirmed_search(values), values) == (
        "trial 0 is best: validation_accuracy 99.0 %, n = 1. "
        "No run of 'trial 1 confirmed' has a value: The GPU has too little memory. 5 of 12 runs have no value."
    )
