"""Evaluation against scikit-learn and NumPy, over more than one batch."""

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from torch import Tensor

from bakehouse.plan.card import Task
from tests.small_trainings import DIABETES, exhaust, make_training, measure_split
from tests.targets import make_targets
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Split, Unit
from worker.evaluation.evaluate import Metrics, RunningTotals, count_hits, evaluate

ROWS = BATCH_ROWS + 77


def given_back(outputs: Tensor, targets: Tensor, task: Task) -> tuple[int, Metrics]:
    """Of a model that gives its inputs back."""
    classes = outputs.shape[1] if task == "classification" else 0
    learnt = make_targets(("cross_entropy" if classes else "squared_error", classes, 1.0))
    split = Split(outputs, targets)
    units = (Unit(0.0, 3.0),)
    return exhaust(evaluate(torch.nn.Identity(), split, "test", targets=learnt, units=units, totals=RunningTotals()))


def test_classes() -> None:
    logits, targets = 3 * torch.randn(ROWS, 5), torch.randint(5, (ROWS,))
    yields, metrics = given_back(logits, targets, "classification")
    probabilities = torch.softmax(logits.double(), 1).numpy()
    assert yields == 2
    assert metrics == {
        "test_loss": pytest.approx(log_loss(targets.numpy(), probabilities), rel=1e-6),
        "test_accuracy": accuracy_score(targets.numpy(), probabilities.argmax(1)),
    }


def test_of_mixed_targets_the_larger_share_counts() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 1.0]])
    shares = torch.tensor([[0.6, 0.4, 0.0], [0.0, 0.55, 0.45], [0.3, 0.4, 0.3]])
    assert count_hits(logits, shares) == count_hits(logits, torch.tensor([0, 1, 1])) == 2
    odds = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    assert count_hits(odds, torch.tensor([0.7, 0.3, 0.4, 0.6])) == count_hits(odds, torch.tensor([1, 0, 0, 1])) == 2


def test_numbers() -> None:
    outputs, targets = 40 * torch.randn(ROWS, 1) + 150, 30 * torch.randn(ROWS) + 100
    yields, metrics = given_back(outputs, targets, "regression")
    y, f = targets.double().numpy(), outputs[:, 0].double().numpy()
    assert yields == 2
    assert metrics == {
        "test_loss": pytest.approx(mean_squared_error(y, f), rel=1e-6),
        "test_mean_absolute_error": pytest.approx(mean_absolute_error(y, f), rel=1e-6),
        "test_r2": pytest.approx(r2_score(y, f), rel=1e-6),
        "test_root_mean_squared_error": pytest.approx(root_mean_squared_error(y, f), rel=1e-6),
    }


def test_r2_of_targets_that_are_all_the_same_is_0() -> None:
    _, metrics = given_back(torch.randn(10, 1), torch.full((10,), 0.1), "regression")
    assert metrics["test_r2"] == 0.0


def test_a_regression_is_measured_in_the_datas_units() -> None:
    training = make_training(DIABETES)
    metrics = measure_split(training, "validation")
    split, data = training.data.validation, training.data
    inputs = (split.inputs.double() - data.shift) * data.scale
    with torch.inference_mode():
        standardized = training.take_step.trained_layers(inputs.float())[:, 0].double().numpy()
    outputs, targets = standardized * data.units[0].std + data.units[0].mean, split.targets.double().numpy()
    assert 25 <= targets.min() <= targets.max() <= 346
    assert metrics["validation_loss"] == pytest.approx(np.mean((outputs - targets) ** 2), rel=1e-5)
    assert metrics["validation_mean_absolute_error"] == pytest.approx(np.abs(outputs - targets).mean(), rel=1e-5)


def test_the_training_loss_has_the_same_unit() -> None:
    training = make_training({**DIABETES, "batch_size": 1024, "epochs": 1})
    train, data = training.data.train, training.data
    with torch.inference_mode():
        outputs = training.model(train.inputs)[:, 0]
    first = next(item for item in training.run() if item is not None)
    assert first.loss == pytest.approx(float(((outputs - train.targets) ** 2).mean()), rel=1e-5)  # type: ignore[union-attr]
    assert data.units[0].std > 10
