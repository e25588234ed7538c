"""Objectives against NumPy in float64."""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_poisson_deviance, r2_score

from bakehouse.recipe.objective import LabelSmoothing, Loss
from tests.small_trainings import DIABETES, Document, epochs_of, make_training
from worker.objective.losses import LossFunction, clean_loss, spread_over_all, training_loss
from worker.training.metrics import StepLog

Floats = NDArray[np.float64]
Spread = Literal["all_classes", "wrong_classes"]
SPREADS: list[Spread] = ["all_classes", "wrong_classes"]


def soft_targets(targets: NDArray[np.int64], classes: int, epsilon: float, spread: Spread) -> Floats:
    """What each convention wants the model to say."""
    if spread == "all_classes":
        soft = np.full((len(targets), classes), epsilon / classes)
        soft[np.arange(len(targets)), targets] = 1 - epsilon + epsilon / classes
    else:
        soft = np.full((len(targets), classes), epsilon / (classes - 1))
        soft[np.arange(len(targets)), targets] = 1 - epsilon
    return soft


def cross_entropy(logits: Floats, soft: Floats) -> float:
    """- mean over rows of sum q log p."""
    log_p = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
    return float(-(soft * (log_p - logits.max(1, keepdims=True))).sum(1).mean())


def smoothed(loss: Loss, smoothing: LabelSmoothing | None, classes: int) -> LossFunction:
    epsilon = 0.0 if smoothing is None else spread_over_all(smoothing, classes=classes)
    return training_loss(loss, epsilon=epsilon)


@pytest.mark.parametrize("spread", SPREADS)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(3, 12), epsilon=st.floats(0.01, 0.6))
def test_smoothing_is_cross_entropy_with_soft_targets(spread: Spread, seed: int, classes: int, epsilon: float) -> None:
    random = np.random.default_rng(seed)
    logits, targets = 5 * random.normal(size=(7, classes)), random.integers(0, classes, 7)
    smoothing = LabelSmoothing(epsilon=epsilon, spread=spread)
    found = smoothed("cross_entropy", smoothing, classes)(torch.from_numpy(logits), torch.from_numpy(targets))
    assert float(found) == pytest.approx(cross_entropy(logits, soft_targets(targets, classes, epsilon, spread)))


@pytest.mark.parametrize(("spread", "floor"), [("wrong_classes", 0.5448), ("all_classes", 0.5003)])
def test_the_least_loss_is_the_entropy_of_the_targets(spread: Spread, floor: float) -> None:
    targets = np.arange(10)
    best = torch.from_numpy(np.log(soft_targets(targets, 10, 0.1, spread))).requires_grad_()
    loss = smoothed("cross_entropy", LabelSmoothing(epsilon=0.1, spread=spread), 10)(best, torch.from_numpy(targets))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(floor, abs=5e-5)
    assert best.grad is not None
    assert float(best.grad.abs().max()) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("smoothing", [None, LabelSmoothing(epsilon=0.2, spread="wrong_classes")])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_the_loss_of_mixed_targets_is_the_mixture_of_losses(
    loss: Literal["cross_entropy", "binary_cross_entropy"], smoothing: LabelSmoothing | None
) -> None:
    k = 4 if loss == "cross_entropy" else 2
    lower = smoothed(loss, smoothing, k)
    outputs = torch.randn(6, k if k == 4 else 1, dtype=torch.float64)
    first, second = torch.randint(k, (2, 6))
    shares = torch.eye(k, dtype=torch.float64)
    mixed = 0.3 * shares[first] + 0.7 * shares[second]
    wanted = 0.3 * lower(outputs, first) + 0.7 * lower(outputs, second)
    assert float(lower(outputs, mixed if k == 4 else mixed[:, 1])) == pytest.approx(float(wanted))


def test_validation_does_not_smooth() -> None:
    logits, targets = torch.randn(9, 4, dtype=torch.float64), torch.arange(9) % 4
    one_hot = np.eye(4)[targets.numpy()]
    for found in (clean_loss("cross_entropy"), training_loss("cross_entropy")):
        assert float(found(logits, targets)) == pytest.approx(cross_entropy(logits.numpy(), one_hot))


def test_squared_error_compares_a_column_with_a_row() -> None:
    outputs, targets = torch.randn(6, 1, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    wanted = np.mean((outputs.numpy()[:, 0] - targets.numpy()) ** 2)
    assert float(training_loss("squared_error")(outputs, targets)) == pytest.approx(wanted)


@pytest.mark.parametrize("spread", [None, *SPREADS])
@given(seed=st.integers(0, 2**32 - 1), epsilon=st.floats(0.01, 0.4))
def test_binary_cross_entropy_is_cross_entropy_of_two_classes(seed: int, spread: Spread | None, epsilon: float) -> None:
    random = np.random.default_rng(seed)
    logits, targets = 5 * random.normal(size=(7, 1)), random.integers(0, 2, 7)
    smoothing = None if spread is None else LabelSmoothing(epsilon=epsilon, spread=spread)
    soft = np.eye(2)[targets] if spread is None else soft_targets(targets, 2, epsilon, spread)
    two_logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    found = smoothed("binary_cross_entropy", smoothing, 2)(torch.from_numpy(logits), torch.from_numpy(targets))
    assert float(found) == pytest.approx(cross_entropy(two_logits, soft))
    clean = clean_loss("binary_cross_entropy")(torch.from_numpy(logits), torch.from_numpy(targets))
    assert float(clean) == pytest.approx(cross_entropy(two_logits, np.eye(2)[targets]))


@given(st.integers(0, 2**32 - 1))
def test_poisson_is_half_the_deviance_of_logs_and_of_means(seed: int) -> None:
    random = np.random.default_rng(seed)
    logs, targets = random.normal(size=(9, 1)), random.poisson(2.0, 9) * random.choice([1.0, 0.5], 9)
    wanted = pytest.approx(mean_poisson_deviance(targets, np.exp(logs[:, 0])) / 2)
    assert float(training_loss("poisson")(torch.from_numpy(logs), torch.from_numpy(targets))) == wanted
    assert float(clean_loss("poisson")(torch.from_numpy(np.exp(logs)), torch.from_numpy(targets))) == wanted


def test_poisson_learns_as_the_likelihood_does_and_is_0_at_best() -> None:
    targets = torch.tensor([0.0, 1.0, 2.5, 40.0], dtype=torch.float64)
    logs = torch.tensor([[-1.0], [0.5], [1.0], [4.0]], dtype=torch.float64, requires_grad=True)
    loss = training_loss("poisson")
    [found] = torch.autograd.grad(loss(logs, targets), logs)
    [wanted] = torch.autograd.grad(torch.nn.functional.poisson_nll_loss(logs[:, 0], targets), logs)
    torch.testing.assert_close(found, wanted)
    best = targets.clamp(min=1e-30).log()[:, None]
    assert float(loss(best, targets)) == pytest.approx(0, abs=1e-12)


def test_a_poisson_model_begins_at_the_mean_and_predicts_in_the_datas_units() -> None:
    training = make_training(
        {**DIABETES, "objective": "poisson", "optimizer": {"type": "adam", "lr": 0.01}, "epochs": 20}
    )
    mean = float(training.data.train.targets.mean())
    with torch.inference_mode():
        first = training.model.eval()(training.data.train.inputs)
    assert first.min() > 0
    assert mean / 3 < float(first.mean()) < mean * 3
    epochs = list(epochs_of(training))
    last, targets = epochs[-1].metrics, training.data.validation.targets.double().numpy()
    with torch.inference_mode():
        means = training.model.eval()(training.data.validation.inputs)[:, 0].double().numpy()
    assert last["validation_loss"] == pytest.approx(mean_poisson_deviance(targets, means) / 2, rel=1e-5)
    assert last["validation_r2"] == pytest.approx(r2_score(targets, means), rel=1e-5)
    assert last["validation_mean_absolute_error"] == pytest.approx(mean_absolute_error(targets, means), rel=1e-5)
    assert last["validation_r2"] > 0.1


def test_the_training_loss_of_poisson_has_the_validation_losss_unit() -> None:
    training = make_training({**DIABETES, "objective": "poisson", "batch_size": 1024, "epochs": 1})
    train = training.data.train
    with torch.inference_mode():
        wanted = mean_poisson_deviance(train.targets.numpy(), training.model(train.inputs)[:, 0].numpy()) / 2
    first = next(item for item in training.run() if isinstance(item, StepLog))
    assert first.loss == pytest.approx(wanted, rel=1e-4)


def test_a_linear_binary_model_is_logistic_regression() -> None:
    document: Document = {"dataset": "breast_cancer", "architecture": "linear", "objective": "binary_cross_entropy",
                "regularizer": {"type": "l2", "coefficient": 0.1}, "optimizer": {"type": "sgd", "lr": 0.5},
                "batch_size": 1024, "epochs": 150, "early_stopping": None}  # fmt: skip
    training = make_training(document)
    last = list(epochs_of(training))[-1].metrics
    train, validation = training.data.train, training.data.validation
    scaled = [((split.inputs - training.data.shift) * training.data.scale).numpy() for split in (train, validation)]
    model = LogisticRegression(C=1 / (0.1 * len(train.targets)), tol=1e-8).fit(scaled[0], train.targets.numpy())
    probabilities = model.predict_proba(scaled[1])
    assert last["validation_loss"] == pytest.approx(log_loss(validation.targets.numpy(), probabilities), rel=1e-3)
    assert last["validation_accuracy"] == accuracy_score(validation.targets.numpy(), probabilities.argmax(1))
    with torch.inference_mode():
        assert training.model(validation.inputs).shape == (len(validation.targets), 1)
    assert training.model.get_parameter("head.weight").detach().numpy() == pytest.approx(model.coef_, abs=1e-3)
