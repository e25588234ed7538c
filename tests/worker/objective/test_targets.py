"""Several targets at once, with and without labels, against NumPy."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from torch import Tensor

from bakehouse.data.packed_folders import read_card
from bakehouse.data.packing import pack
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests.small_trainings import (
    DEVICE,
    IRIS,
    Document,
    epochs_of,
    loss_of,
    make_training,
    measure_split,
    run_to_end,
    train_source,
)
from tests.targets import make_targets
from worker.attempt.checkpoint_writer import describe
from worker.attempt.snapshot import restore, snapshot, to_files
from worker.data.dataset import Unit, load_data
from worker.model.build import build_model
from worker.objective.targets import measured_objective, training_losses, weighted_sum
from worker.training.training import Training

Floats = NDArray[np.float64]

DIGITS: Document = {
    "dataset": {"id": "digits", "validation_fraction": 0.8},
    "architecture": {"type": "mlp", "hidden": [8]},
    "objective": {"tasks": [{"target": "parity", "weight": 0.3}]},
    "epochs": 2,
}
VISITS: Document = {
    "dataset": {"id": "visits", "target": "kind"},
    "architecture": {"type": "mlp", "hidden": [8]},
    "norm": "batch_norm",
    "dropout": 0.2,
    "objective": {
        "tasks": [
            {"target": "price", "weight": 0.5},
            {"target": "count", "loss": "poisson", "weight": 2},
            {"target": "sold", "loss": "binary_cross_entropy"},
        ]
    },
    "batch_size": 16,
    "epochs": 3,
}


TARGETS = make_targets(
    ("cross_entropy", 4, 1.0), ("squared_error", 0, 0.3), ("binary_cross_entropy", 2, 2.0), ("poisson", 0, 0.7)
)
LOSSES = training_losses(TARGETS, None)
BY_HAND: tuple[Callable[[Floats, Floats], Floats], ...] = (
    lambda y, t: np.log(np.exp(y).sum(1)) - y[np.arange(len(y)), t.astype(int)],
    lambda y, t: (y[:, 0] - t) ** 2,
    lambda y, t: np.log1p(np.exp(y[:, 0])) - t * y[:, 0],
    lambda y, t: np.exp(y[:, 0]) - t * y[:, 0] + t * np.log(np.maximum(t, 1e-300)) - t,
)


def drawn(rows: int, missing: float) -> tuple[Tensor, Tensor]:
    """Outputs, and targets some of which are missing, in float64."""
    random = np.random.default_rng(rows)
    outputs = random.normal(size=(rows, 7))
    columns = [random.integers(4, size=rows), random.normal(size=rows), random.integers(2, size=rows)]
    targets = np.stack([*columns, random.poisson(2, size=rows)], 1).astype(np.float64)
    targets[random.random(targets.shape) < missing] = np.nan
    return torch.from_numpy(outputs), torch.from_numpy(targets)


@pytest.mark.parametrize(("rows", "missing"), [(40, 0.0), (40, 0.3), (5, 0.8), (1, 1.0)])
def test_each_loss_is_the_mean_over_the_rows_that_have_a_label(rows: int, missing: float) -> None:
    outputs, targets = drawn(rows, missing)
    wanted = 0.0
    for target, loss in zip(TARGETS, BY_HAND, strict=True):
        y, t = outputs[:, target.columns].numpy(), targets[:, target.index].numpy()
        known = ~np.isnan(t)
        wanted += target.weight * (loss(y[known], t[known]).mean() if known.any() else 0.0)
    assert float(weighted_sum(outputs, targets, losses=LOSSES)) == pytest.approx(wanted, rel=1e-12, abs=1e-15)


def test_outputs_without_a_label_have_no_gradient_whatever_their_value() -> None:
    outputs, targets = drawn(30, 0.4)
    targets[:, 2] = torch.nan
    outputs[targets[:, 3].isnan(), 6] = 700.0
    outputs.requires_grad_()
    weighted_sum(outputs, targets, losses=LOSSES).backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    for target in TARGETS:
        is_known = ~targets[:, target.index].isnan()
        gradient = outputs.grad[:, target.columns]
        assert not gradient[~is_known].any()
        assert bool((gradient[is_known].abs().amax(1) > 0).all())


def test_the_gradient_is_that_of_the_rows_with_labels_alone() -> None:
    outputs, targets = drawn(8, 0.4)
    assert torch.autograd.gradcheck(lambda y: weighted_sum(y, targets, losses=LOSSES), outputs.requires_grad_())


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed table of 120 rows, in three of whose targets cells are empty."""
    folder, random = tmp_path_factory.mktemp("visits"), np.random.default_rng(0)
    lines = ["a,b,kind,price,count,sold"]
    for row in range(120):
        a, b = random.normal(size=2)
        kind = "" if row % 11 == 0 else "xyz"[int(a > 0) + int(b > 0)]
        price = "" if row % 3 == 0 else f"{1000 * a + 50_000 + random.normal():.2f}"
        sold = "" if row % 5 else "yes" if b > 0 else "no"
        lines.append(f"{a:.4f},{b:.4f},{kind},{price},{random.poisson(np.exp(b))},{sold}")
    (folder / "visits.csv").write_text("\n".join(lines) + "\n")
    pack("visits", folder / "visits.csv", folder / "packed")
    return folder / "packed"


def plan_on(folder: Path, document: Document) -> Plan:
    """The plan of a recipe on a packed set."""
    return make_plan(read_recipe(document), read_card(folder))


def training_on(folder: Path, document: Document) -> Training:
    """A training that has not begun."""
    plan = plan_on(folder, document)
    return Training(plan, load_data(plan, folder, DEVICE), DEVICE)


def test_targets_are_columns_and_no_label_is_invented(visits: Path) -> None:
    data = training_on(visits, VISITS).data
    targets = torch.cat([data.train.targets, data.validation.targets, data.test.targets])
    assert targets.dtype == torch.float32
    assert targets.isnan().sum(0).tolist() == [11, 40, 0, 96]
    assert data.train.inputs.shape[1] == 2


def test_every_metric_is_of_the_rows_that_have_a_label(visits: Path) -> None:
    training = training_on(visits, VISITS)
    last = list(epochs_of(training))[-1]
    split = training.data.validation
    with torch.inference_mode():
        y = training.model.eval()(split.inputs).double().numpy()
    kind, price, count, sold = ((t[~np.isnan(t)], y[~np.isnan(t)]) for t in split.targets.double().numpy().T)
    logits = kind[1][:, :3]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    means, odds = count[1][:, 4], sold[1][:, 5]
    deviance = means - count[0] * np.log(means) + np.log(np.maximum(count[0], 1e-300)) * count[0] - count[0]
    std = float(np.nanstd(training.data.train.targets[:, 1].double().numpy()))
    wanted = {
        "validation_main_loss": log_loss(kind[0], probabilities, labels=[0, 1, 2]),
        "validation_accuracy": accuracy_score(kind[0], logits.argmax(1)),
        "validation_price_loss": mean_squared_error(price[0], price[1][:, 3]),
        "validation_price_mean_absolute_error": mean_absolute_error(price[0], price[1][:, 3]),
        "validation_price_root_mean_squared_error": root_mean_squared_error(price[0], price[1][:, 3]),
        "validation_price_r2": r2_score(price[0], price[1][:, 3]),
        "validation_count_loss": deviance.mean(),
        "validation_count_mean_absolute_error": mean_absolute_error(count[0], means),
        "validation_count_root_mean_squared_error": root_mean_squared_error(count[0], means),
        "validation_count_r2": r2_score(count[0], means),
        "validation_sold_loss": (np.log1p(np.exp(odds)) - sold[0] * odds).mean(),
        "validation_sold_accuracy": accuracy_score(sold[0], odds > 0),
    }
    wanted["validation_loss"] = (
        wanted["validation_main_loss"]
        + 0.5 * wanted["validation_price_loss"] / std**2
        + 2 * wanted["validation_count_loss"]
        + wanted["validation_sold_loss"]
    )
    found = {name: value for name, value in last.metrics.items() if name.startswith("validation")}
    assert found == pytest.approx(wanted, rel=1e-4)


def test_numbers_are_standardised_by_their_labels_and_predicted_in_units(visits: Path) -> None:
    training = training_on(visits, VISITS)
    train = training.data.train.targets[:, 1]
    state = training.model.state_dict()
    assert float(state["units.task1.mean"]) == pytest.approx(float(train.nanmean()), rel=1e-6)
    assert float(state["units.task1.std"]) == pytest.approx(float(train[~train.isnan()].std(correction=0)), rel=1e-5)
    seen = training.batches.split.targets
    assert float(seen[:, 1].nanmean()) == pytest.approx(0, abs=1e-4)
    assert torch.equal(seen[:, 0].nan_to_num(9), training.data.train.targets[:, 0].nan_to_num(9))
    mean = float(training.data.train.targets[:, 2].mean())
    assert float(state["heads.task2.bias"]) == pytest.approx(math.log(mean), rel=1e-6)


def test_training_metrics_are_means_over_labels(visits: Path) -> None:
    document = {
        **VISITS,
        "dropout": "none",
        "norm": "none",
        "batch_size": 128,
        "epochs": 1,
        "optimizer": {"type": "sgd", "lr": 1e-9},
    }
    training = training_on(visits, document)
    [epoch] = epochs_of(training)
    training.data = replace(training.data, validation=training.data.train)
    same = measure_split(training, "validation")
    for name in ("loss", "main_loss", "accuracy", "price_loss", "count_loss", "sold_loss", "sold_accuracy"):
        assert epoch.metrics[f"train_{name}"] == pytest.approx(same[f"validation_{name}"], rel=1e-4)


@pytest.mark.parametrize("unit", [2, 5, 9])
def test_killed_in_the_middle_it_ends_with_the_same_bits(visits: Path, unit: int) -> None:
    training = training_on(visits, VISITS)
    logged = tuple(item for item in islice(training.run(), unit) if item is not None)
    logged += tuple(training.read())
    files = to_files(snapshot(training, {}))
    resumed = training_on(visits, VISITS)
    restore(resumed, files)
    assert run_to_end(resumed, logged) == run_to_end(training_on(visits, VISITS))


def test_a_head_without_labels_in_a_batch_does_not_move(visits: Path) -> None:
    training = training_on(visits, {**VISITS, "dropout": "none", "optimizer": {"type": "sgd", "momentum": 0.0}})
    inputs, targets = next(training.batches.from_step(0))
    targets = targets.clone()
    targets[:, 3] = torch.nan
    before = training.weights()
    training.take_step.trained_layers.train()
    training.update(inputs, targets)
    after = training.weights()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert {"heads.main.weight", "heads.task1.weight", "heads.task2.bias", "hidden1.linear.weight"} <= moved
    assert not moved & {"heads.task3.weight", "heads.task3.bias"}


def test_early_stopping_may_look_at_any_target(visits: Path) -> None:
    training = training_on(visits, {**VISITS, "evaluation": "validation_price_r2", "epochs": 6})
    epochs = list(epochs_of(training))
    values = [epoch.metrics["validation_price_r2"] for epoch in epochs]
    assert [epoch.epoch for epoch in epochs if epoch.is_best][-1] == 1 + int(np.argmax(values))


def test_the_sum_of_clean_losses_is_what_validation_calls_the_loss() -> None:
    smoothed = {**DIGITS, "objective": {**DIGITS["objective"], "label_smoothing": 0.1}}
    metrics = measure_split(make_training(smoothed), "validation")
    assert metrics == measure_split(make_training(DIGITS), "validation")
    wanted = metrics["validation_main_loss"] + 0.3 * metrics["validation_parity_loss"]
    assert metrics["validation_loss"] == pytest.approx(wanted)


def test_smoothing_is_for_every_target_of_classes() -> None:
    training = make_training({**DIGITS, "objective": {**DIGITS["objective"], "label_smoothing": 0.2}})
    inputs, targets = next(training.batches.from_step(0))
    outputs, loss = loss_of(training, inputs, targets)
    logs = [torch.log_softmax(outputs[:, columns].double(), 1) for columns in (slice(0, 10), slice(10, 12))]
    wanted = 0.0
    for log, label, weight in zip(logs, targets.long().T, (1, 0.3), strict=True):
        soft = torch.full_like(log, 0.2 / log.shape[1]).scatter_add_(
            1, label[:, None], torch.full_like(log[:, :1], 0.8)
        )
        wanted += weight * float(-(soft * log).sum(1).mean().detach())
    assert float(loss.detach()) == pytest.approx(wanted, rel=1e-6)


def test_an_attack_looks_at_the_loss_that_is_measured(visits: Path) -> None:
    training = training_on(visits, VISITS)
    split = training.data.test
    found = measured_objective(training.plan, training.model)(training.model.eval()(split.inputs), split.targets)
    assert float(found.detach()) == pytest.approx(measure_split(training, "test")["test_loss"], rel=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"dropout": {"type": "drop_connect", "placement": "classifier"}},
        {"objective": {"adversarial": 0.1, "tasks": "parity"}, "evaluation": {"statistics": "population"}},
        {"diagnostics": ["train_eval_gap", "clean_gap", "gradient_norms", "sparsity"]},
        {"architecture": {"type": "rnn", "hidden_size": 4}, "norm": "none"},
        {"precision": "bfloat16"},
        {"diagnostics": "inconsistent_samples", "evaluation": {"monte_carlo_samples": 2}, "dropout": 0.5},
        {"curriculum": "self_paced", "epochs": 4},
    ],
)
def test_other_ingredients_take_several_targets(change: Document) -> None:
    outcome = run_to_end(make_training({**DIGITS, "norm": "batch_norm", "epochs": 1, **change}))
    metrics = outcome.logged[-1]["metrics"]
    assert {"test_loss", "test_accuracy", "test_parity_accuracy"} <= set(metrics)
    assert all(math.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("tasks", [[], ["parity"]])
def test_a_teacher_gives_logits_of_the_main_target(tasks: list[str]) -> None:
    teacher = train_source({**DIGITS, "objective": {"tasks": tasks}, "epochs": 1})
    objective = {**DIGITS["objective"], "distillation": {"teacher": teacher, "weight": 0.5, "temperature": 2}}
    training, plain = (make_training({**DIGITS, "objective": each}) for each in (objective, DIGITS["objective"]))
    assert training.take_step.teacher is not None
    inputs, targets = next(training.batches.from_step(0))
    outputs, loss = loss_of(training, inputs, targets)
    ours, theirs = (
        torch.log_softmax(logits / 2, 1) for logits in (outputs[:, :10], training.take_step.teacher.logits(inputs))
    )
    wanted = 0.5 * loss_of(plain, inputs, targets)[1] + 0.5 * 4 * (theirs.exp() * (theirs - ours)).sum(1).mean()
    torch.testing.assert_close(loss, wanted)


def unlabelled(folder: Path, seed: int) -> Iterator[Problem]:
    """What is wrong with a split in which two rows are for validation."""
    dataset = {**VISITS["dataset"], "validation_fraction": 0.02, "split_seed": seed}
    try:
        training_on(folder, {**VISITS, "dataset": dataset, "norm": "none"})
    except RecipeInvalid as error:
        yield from error.problems


def test_a_split_without_a_label_is_refused_with_the_split(visits: Path) -> None:
    problems = [problem for seed in range(5) for problem in unlabelled(visits, seed)]
    assert {problem.pointer for problem in problems} <= {"/objective/tasks/0/target", "/objective/tasks/2/target"}
    assert "none of the 2 validation rows has a label of sold" in " ".join(problem.message for problem in problems)


def test_a_single_target_keeps_its_tensors() -> None:
    training = make_training(IRIS)
    assert training.data.units == (Unit(),)
    assert training.data.train.targets.dtype == torch.int64
    assert "head.weight" in training.model.state_dict()


def test_a_checkpoint_lists_the_outputs_of_each_target(visits: Path) -> None:
    plan = plan_on(visits, VISITS)
    outputs = json.loads(describe(plan, 1))["outputs"]
    assert [(item["target"], item["first"], item["count"]) for item in outputs] == [
        ("main", 0, 3), ("price", 3, 1), ("count", 4, 1), ("sold", 5, 1),
    ]  # fmt: skip
    assert [item["classes"] for item in outputs] == [["x", "y", "z"], None, None, ["no", "yes"]]
    assert build_model(plan)(torch.zeros(1, 2).expand(2, 2)).shape == (2, 6)
