"""Class weights in the training loss, against NumPy, scikit-learn and torch."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional

from tests.small_trainings import IRIS, loss_of, make_small_plan, make_training, measure_split, run_to_end, train_source
from worker.objective.losses import training_loss
from worker.objective.targets import class_weights


def weighted(weights: Any, **fields: Any) -> dict[str, Any]:
    return {**IRIS, "dataset": "wine", "objective": {"class_weights": weights, **fields}}


def weighted_mean(logits: Tensor, labels: Tensor, weights: Tensor, epsilon: float) -> float:
    """Returns the formula of the documentation, in NumPy; labels are shares (N, k)."""
    z, t, w = (each.double().numpy() for each in (logits, labels, weights))
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    q = (1 - epsilon) * t + epsilon / t.shape[1]
    return float((w * q * -log_p).sum() / (w * t).sum())


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, float]:
    """Draws logits, class numbers, weights and smoothing."""
    classes = draw(st.integers(2, 4))
    seed = draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    rows = draw(st.integers(1, 9))
    logits = 3 * torch.randn(rows, classes, generator=generator)
    labels = torch.randint(classes, (rows,), generator=generator)
    weights = torch.rand(classes, generator=generator) * 5 + 0.01
    return logits, labels, weights, draw(st.sampled_from([0.0, 0.1, 0.4]))


@given(batches())
def test_the_loss_is_the_weighted_mean_of_numpy_and_of_torch(batch: tuple[Tensor, Tensor, Tensor, float]) -> None:
    logits, labels, weights, epsilon = batch
    loss = training_loss("cross_entropy", epsilon=epsilon, weights=weights)
    shares = functional.one_hot(labels, logits.shape[1]).float()
    found = float(loss(logits, labels))
    assert found == pytest.approx(weighted_mean(logits, shares, weights, epsilon), rel=1e-4)
    assert found == pytest.approx(
        float(functional.cross_entropy(logits, labels, weight=weights, label_smoothing=epsilon)), rel=1e-4
    )
    mixed = 0.7 * shares + 0.3 * shares.flip(0)
    assert float(loss(logits, mixed)) == pytest.approx(weighted_mean(logits, mixed, weights, epsilon), rel=1e-4)


@given(batches())
def test_one_output_gives_the_loss_of_two(batch: tuple[Tensor, Tensor, Tensor, float]) -> None:
    logits, labels, weights, epsilon = batch[0][:, :1], batch[1].clamp(max=1), batch[2][:2], batch[3]
    both = torch.cat((torch.zeros_like(logits), logits), 1)
    alone = training_loss("binary_cross_entropy", epsilon=epsilon, weights=weights)
    pair = training_loss("cross_entropy", epsilon=epsilon, weights=weights)
    assert float(alone(logits, labels)) == pytest.approx(float(pair(both, labels)), rel=1e-4)
    mixed = 0.7 * labels.float() + 0.3 * labels.float().flip(0)
    shares = torch.stack((1 - mixed, mixed), 1)
    assert float(alone(logits, mixed)) == pytest.approx(float(pair(both, shares)), rel=1e-4)


def test_balanced_weights_are_those_of_scikit_learn_over_the_training_split() -> None:
    training = make_training(weighted("balanced"))
    labels = training.data.train.targets
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    found = class_weights(training.plan, labels)
    assert found is not None
    assert found.tolist() == pytest.approx(expected.tolist())
    # A class without a row is not counted, and has weight 1.
    without = class_weights(training.plan, torch.tensor([0, 0, 0, 2]))
    assert without is not None
    assert without.tolist() == pytest.approx([4 / 6, 1, 2])


def test_named_weights_are_in_the_order_of_the_classes_and_1_for_the_others() -> None:
    plan = make_small_plan(weighted({"class_2": 3}))
    found = class_weights(plan, torch.tensor([0, 1, 2]))
    assert found is not None
    names = plan.data.main.classes or ()
    assert found.tolist() == [3.0 if name == "class_2" else 1.0 for name in names]


def test_a_step_minimises_the_weighted_loss_and_validation_measures_the_plain_one() -> None:
    plain, training = make_training(weighted("none")), make_training(weighted("balanced"))
    inputs, targets = next(training.batches.from_step(0))
    outputs, loss = loss_of(training, inputs, targets)
    weights = class_weights(training.plan, training.data.train.targets)
    expected = functional.cross_entropy(outputs, targets, weight=weights)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert measure_split(training, "validation") == measure_split(plain, "validation")


@pytest.mark.parametrize(
    ("document", "is_changed"),
    [
        (weighted({"class_2": 1.0}), False),
        (weighted("balanced"), True),
        (weighted("balanced", label_smoothing=0.1), True),
        (weighted("balanced", adversarial=0.1), True),
        ({**weighted("balanced"), "augmentation": "mixup"}, True),
        ({**weighted("balanced"), "dataset": "breast_cancer"}, True),
        ({**weighted("balanced", loss="binary_cross_entropy"), "dataset": "breast_cancer"}, True),
    ],
)
def test_weights_go_with_every_other_part_of_the_objective(document: dict[str, Any], is_changed: bool) -> None:
    unweighted = {**document, "objective": {**document["objective"], "class_weights": "none"}}
    found, plain = (run_to_end(make_training({**each, "epochs": 1})) for each in (document, unweighted))
    losses, plain_losses = ([event["loss"] for event in each.logged if "loss" in event] for each in (found, plain))
    assert np.isfinite(losses).all()
    assert (losses[0] != pytest.approx(plain_losses[0], rel=1e-6)) == is_changed


def test_the_teachers_part_has_no_weights() -> None:
    teacher = train_source({**IRIS, "dataset": "wine", "epochs": 1})
    taught = weighted("balanced", distillation={"teacher": teacher, "weight": 1})
    plain = weighted("none", distillation={"teacher": teacher, "weight": 1})
    first, second = (make_training(each) for each in (taught, plain))
    inputs, targets = next(first.batches.from_step(0))
    assert loss_of(first, inputs, targets)[1].equal(loss_of(second, inputs, targets)[1])
