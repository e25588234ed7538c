import json

from bakehouse.experiments.experiment import PlacedRun
from bakehouse.experiments.measured import READ, arm_facts, measure
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.record import new_run
from bakehouse.runs.run import Best, Run


def recipe(**fields: object) -> Recipe:
    return read_recipe({"dataset": "digits", "architecture": "mlp"} | fields)


def test_an_objective_is_that_of_another_if_clean_losses_are_on_one_scale() -> None:
    plain, named, smooth, other = (
        arm_facts("arm", recipe(objective=objective), differs={}).objective
        for objective in ({}, "cross_entropy", {"label_smoothing": 0.1}, "binary_cross_entropy")
    )
    assert plain == named == smooth
    assert plain != other


def test_a_budget_and_a_split_are_those_of_the_recipe() -> None:
    plain, norm, long, split = (
        arm_facts("arm", recipe(**fields), differs={}, parameters=10)
        for fields in (
            {},
            {"norm": "batch_norm", "seed": 3},
            {"epochs": 1000, "time_budget_seconds": 60},
            {"dataset": {"id": "digits", "split_seed": 1}},
        )
    )
    assert plain == norm
    assert (plain.budget, long.budget) == ("50 epochs", "1,000 epochs and 60 s")
    assert plain.split == long.split != split.split


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


def fields_of(run: Run) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in run.model_dump(mode="json", include=set(READ)).items()}


def test_a_run_is_measured_by_the_metric_at_its_best_epoch() -> None:
    place = PlacedRun(run="run_a", arm="plain", seed=3, fold=1)
    found = measure(place, fields_of(finished_run()), metric="validation_accuracy", reused=True)
    assert (found.value, found.test, found.seconds, found.data) == (0.9, {"test_accuracy": 0.8}, 4.5, "fingerprint")
    assert (found.place, found.is_measured, found.reused) == ("3/1", True, True)


def test_a_run_without_the_metric_is_not_measured() -> None:
    place = PlacedRun(run="run_a", arm="plain", seed=0, fold=None)
    assert not measure(place, fields_of(finished_run()), metric="validation_auroc").is_measured
    waiting = new_run(recipe(), advice=(), steps=100)
    assert not measure(place, fields_of(waiting), metric="validation_accuracy").is_over
