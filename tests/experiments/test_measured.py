from dataclasses import replace

from bakehouse.experiments.measured import arm_facts, differing_fields, measure
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.record import new_run
from bakehouse.runs.run import Best, Run


def recipe(**fields: object) -> Recipe:
    return read_recipe({"dataset": "digits", "architecture": "mlp", **fields})


def test_fields_that_differ_are_named_by_the_deepest_place_that_both_recipes_have() -> None:
    baseline = recipe(dropout=0.3, optimizer={"type": "adam", "lr": 0.01}, seed=1).canonical()
    arm = recipe(norm="batch_norm", optimizer={"type": "adam", "lr": 0.1}, seed=2, name="arm").canonical()
    differs = differing_fields(arm, baseline)
    assert set(differs) == {"/norm", "/dropout", "/optimizer/lr"}
    assert (differs["/dropout"], differs["/optimizer/lr"], differs["/norm"]["type"]) == ([], 0.1, "batch_norm")


def test_an_objective_is_that_of_another_if_clean_losses_are_on_one_scale() -> None:
    plain = arm_facts("plain", recipe(), recipe()).objective
    assert arm_facts("named", recipe(objective="cross_entropy"), recipe()).objective == plain
    assert arm_facts("smooth", recipe(objective={"label_smoothing": 0.1}), recipe()).objective == plain
    assert arm_facts("other", recipe(objective="binary_cross_entropy"), recipe()).objective != plain


def test_a_budget_and_a_split_are_those_of_the_recipe() -> None:
    baseline = arm_facts("plain", recipe(), recipe())
    assert arm_facts("bn", recipe(norm="batch_norm"), recipe()) == replace(
        baseline, name="bn", differs=arm_facts("bn", recipe(norm="batch_norm"), recipe()).differs
    )
    long = arm_facts("long", recipe(epochs=1000, time_budget_seconds=60), recipe())
    assert (baseline.budget, long.budget) == ("50 epochs", "1,000 epochs and 60 s")
    split = arm_facts("split", recipe(dataset={"id": "digits", "split_seed": 1}), recipe())
    assert split.split != baseline.split
    assert split.differs == {"/dataset/split_seed": 1}


def finished_run() -> Run:
    run = new_run(recipe(), advice=(), steps=100, dataset_fingerprint="fingerprint")
    metrics: dict[str, float | None] = {
        "validation_loss": 0.2,
        "validation_accuracy": 0.9,
        "test_accuracy": 0.8,
        "train_loss": 0.1,
    }
    best = Best(epoch=3, monitor="validation_loss", value=0.2, metrics=metrics)
    return run.model_copy(update={"status": "succeeded", "reason": "epochs_done", "best": best, "seconds": 4.5})


def test_a_run_is_measured_by_the_metric_at_its_best_epoch() -> None:
    found = measure(finished_run(), arm="plain", seed=3, metric="validation_accuracy", fold=1, reused=True)
    assert (found.value, found.test, found.seconds, found.data) == (0.9, {"test_accuracy": 0.8}, 4.5, "fingerprint")
    assert (found.place, found.is_measured, found.reused) == ("3/1", True, True)


def test_a_run_without_the_metric_is_not_measured() -> None:
    assert not measure(finished_run(), arm="plain", seed=0, metric="validation_auroc").is_measured
    waiting = new_run(recipe(), advice=(), steps=100)
    assert not measure(waiting, arm="plain", seed=0, metric="validation_accuracy").is_over
