"""Adversarial examples against closed forms and NumPy in float64."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from bakehouse.recipe.objective import Adversarial
from tests.small_trainings import (
    DIABETES,
    DIGITS_CNN,
    Document,
    bits,
    loss_of,
    make_small_plan,
    make_training,
    run_to_end,
)
from worker.data.batches import BATCH_ROWS
from worker.evaluation.test_split import AttackedOutputs, under_attack
from worker.model.modules import BatchRenorm, Normalize
from worker.objective.adversarial import Attack
from worker.objective.targets import training_objective
from worker.training.training import Training

LOGISTIC: Document = {
    "dataset": "breast_cancer", "architecture": "linear", "optimizer": {"type": "sgd", "lr": 0.1}, "epochs": 2,
}  # fmt: skip
PLAIN: Document = {**DIGITS_CNN, "dropout": None, "augmentation": None, "norm": None}


def logistic(attack: Any) -> Document:
    return {**LOGISTIC, "objective": {"loss": "binary_cross_entropy", "adversarial": attack}}


def attack_on(training: Training) -> Attack:
    spec = training.plan.recipe.objective.adversarial
    assert spec is not None
    return Attack(spec, training.plan, training.model, training_objective(training.plan), purpose="adversary")


def batch(training: Training, rows: int = 32) -> tuple[Tensor, Tensor]:
    inputs, targets = next(training.batches.from_step(0))
    return inputs[:rows], targets[:rows]


def spec_of(plan: Plan) -> Adversarial:
    assert plan.recipe.objective.adversarial is not None
    return plan.recipe.objective.adversarial


def by_hand(training: Training, inputs: Tensor, targets: Tensor, length: float) -> Tensor:
    """x + length sign((p - t) w), of a logistic regression."""
    head = training.model.get_submodule("head")
    assert isinstance(head, nn.Linear)
    w, b = head.weight.detach().double()[0], head.bias.detach().double()
    p = torch.sigmoid(inputs.double() @ w + b)
    return inputs + length * torch.sign((p - targets)[:, None] * w).float()


def test_one_step_on_logistic_regression_is_the_sign_of_its_gradient() -> None:
    training = make_training(logistic(0.1))
    inputs, targets = batch(training)
    found = attack_on(training)(training.take_step.predict, inputs, targets, 0)
    torch.testing.assert_close(found, by_hand(training, inputs, targets, 0.1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("steps", "step_size", "reached"), [(3, 0.02, 0.06), (4, 0.05, 0.1), (1, 0.5, 0.1)])
def test_steps_on_a_linear_model_add_up_to_epsilon(steps: int, step_size: float, reached: float) -> None:
    attack = {"epsilon": 0.1, "steps": steps, "step_size": step_size, "random_start": False}
    training = make_training(logistic(attack))
    inputs, targets = batch(training)
    found = attack_on(training)(training.take_step.predict, inputs, targets, 0)
    torch.testing.assert_close(found, by_hand(training, inputs, targets, reached), rtol=0, atol=1e-6)


def test_the_attack_on_the_test_split_is_the_worst_case_of_a_linear_model() -> None:
    training = make_training(logistic(0.2))
    metrics = run_to_end(training).logged[-1]["metrics"]
    assert training.best_weights is not None
    w, b = (training.best_weights[f"head.{name}"].double().numpy() for name in ("weight", "bias"))
    test = training.data.test
    inputs = ((test.inputs - training.data.shift) * training.data.scale).double().numpy()
    side = 2.0 * test.targets.numpy() - 1
    margins = side * (inputs @ w[0] + b) - 0.2 * np.abs(w).sum()
    assert metrics["test_adversarial_loss"] == pytest.approx(np.logaddexp(0, -margins).mean(), rel=1e-5)
    assert metrics["test_adversarial_accuracy"] == pytest.approx((margins > 0).mean(), abs=1e-9)
    assert metrics["test_adversarial_loss"] > metrics["test_loss"]


def test_the_attack_on_the_test_split_can_be_left_between_its_steps() -> None:
    training = make_training(logistic({"epsilon": 0.2, "steps": 7}))
    spec, split = spec_of(training.plan), training.data.test
    assert len(split.targets) <= BATCH_ROWS
    assert len(list(under_attack(training.plan, spec, training.model, split, AttackedOutputs()))) == 7


@settings(max_examples=25, deadline=None)
@given(
    epsilon=st.floats(0.01, 0.5),
    steps=st.integers(1, 4),
    is_random=st.booleans(),
    unit=st.sampled_from(["range", "normalized"]),
)
def test_images_move_by_no_more_than_epsilon_and_stay_in_range(
    epsilon: float, steps: int, is_random: bool, unit: str
) -> None:
    attack = {"epsilon": epsilon, "steps": steps, "random_start": is_random, "unit": unit}
    training = make_training({**PLAIN, "objective": {"adversarial": attack}})
    inputs, targets = batch(training)
    found = attack_on(training)(training.take_step.predict, inputs, targets, 3)
    shift, scale = training.data.shift, training.data.scale
    stored, moved = (tensor / scale + shift for tensor in (inputs, found))
    reach = epsilon * (16 if unit == "range" else 1 / float(scale))
    assert not torch.equal(found, inputs)
    assert float((moved - stored).abs().max()) <= reach + 1e-4
    assert float(moved.min()) >= -1e-4
    assert float(moved.max()) <= 16 + 1e-4


def test_epsilon_is_a_share_of_the_range_whatever_the_normalization() -> None:
    moved = []
    for normalization in ("standardize", "min_max", "none"):
        dataset = {**PLAIN["dataset"], "normalization": normalization}
        training = make_training({**PLAIN, "dataset": dataset, "objective": {"adversarial": 0.125}})
        inputs, targets = batch(training)
        found = attack_on(training)(training.take_step.predict, inputs, targets, 0)
        moved.append(float(((found - inputs) / training.data.scale).abs().max()))
    assert moved == pytest.approx([2.0, 2.0, 2.0], abs=1e-4)


def test_an_input_beyond_the_range_is_neither_brought_back_nor_carried_further() -> None:
    training = make_training({**PLAIN, "objective": {"adversarial": 0.1}})
    inputs, targets = batch(training)
    beyond = inputs + 10
    found = attack_on(training)(training.take_step.predict, beyond, targets, 0)
    assert float((found - beyond).max()) <= 1e-5
    assert float((beyond - found).max()) <= 0.1 * 16 * float(training.data.scale) + 1e-4


def test_inputs_that_do_not_matter_do_not_move() -> None:
    training = make_training(logistic(0.1))
    head = training.model.get_submodule("head")
    assert isinstance(head, nn.Linear)
    head.weight.data[:, :10] = 0
    inputs, targets = batch(training)
    moved = (attack_on(training)(training.take_step.predict, inputs, targets, 0) - inputs).abs().amax(0) > 0
    assert not moved[:10].any()
    assert moved[10:].all()


def test_a_constant_channel_does_not_move() -> None:
    training = make_training({**PLAIN, "objective": {"adversarial": 0.1}})
    normalize = training.model[0]
    assert isinstance(normalize, Normalize)
    normalize.scale.zero_()
    inputs, targets = batch(training)
    nothing = torch.zeros_like(inputs)
    assert torch.equal(attack_on(training)(training.take_step.predict, nothing, targets, 0), nothing)


def test_random_starts_are_those_of_the_step() -> None:
    training = make_training({**PLAIN, "objective": {"adversarial": {"steps": 2}}})
    inputs, targets = batch(training)
    first, again, other = (attack_on(training)(training.take_step.predict, inputs, targets, step) for step in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_more_steps_raise_the_loss_further() -> None:
    losses = []
    for steps in (1, 8):
        attack = {"epsilon": 0.3, "steps": steps, "step_size": 0.3 if steps == 1 else 0.08, "random_start": False}
        training = make_training({**PLAIN, "objective": {"adversarial": attack}})
        inputs, targets = batch(training, 64)
        found = attack_on(training)(training.take_step.predict, inputs, targets, 0)
        losses.append(nn.functional.cross_entropy(training.take_step.predict(found), targets).item())
    assert losses[1] > losses[0]


def test_crafting_leaves_no_trace() -> None:
    training = make_training({**DIGITS_CNN, "norm": "batch_renorm", "objective": {"adversarial": {"steps": 3}}})
    inputs, targets = batch(training)
    training.take_step.trained_layers.train()
    norm = next(module for module in training.take_step.trained_layers.modules() if isinstance(module, BatchRenorm))
    norm.training = False
    before, modes = bits(training.weights()), [module.training for module in training.model.modules()]
    drawn = torch.get_rng_state()
    attack_on(training)(training.take_step.predict, inputs, targets, 0)
    assert bits(training.weights()) == before
    assert [module.training for module in training.model.modules()] == modes
    assert all(parameter.grad is None for parameter in training.model.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_the_loss_is_the_weighted_sum_of_two_passes_in_training_mode(weight: float) -> None:
    document = {**DIGITS_CNN, "dropout": None, "objective": {"adversarial": {"weight": weight}, "label_smoothing": 0.1}}
    training = make_training(document)
    inputs, targets = batch(training)
    training.take_step.trained_layers.train()
    alone = deepcopy(training.take_step.trained_layers)
    outputs, loss = loss_of(training, inputs, targets)
    wanted = torch.zeros(())
    free = inputs.clone().requires_grad_()
    score = nn.CrossEntropyLoss(label_smoothing=0.1)
    [gradient] = torch.autograd.grad(score(deepcopy(alone).eval()(free), targets), free)
    shift, scale = training.data.shift, training.data.scale
    low, high = (torch.minimum(inputs, -shift * scale), torch.maximum(inputs, (16 - shift) * scale))
    moved = (inputs + 0.03 * 16 * scale * gradient.sign()).clamp(low, high)
    if weight < 1:
        clean = alone(inputs)
        wanted = (1 - weight) * score(clean, targets)
        torch.testing.assert_close(outputs, clean)
    hard = alone(moved)
    wanted = wanted + weight * score(hard, targets)
    torch.testing.assert_close(loss, wanted)
    if weight == 1:
        torch.testing.assert_close(outputs, hard)
    pairs = zip(training.take_step.trained_layers.parameters(), alone.parameters(), strict=True)
    loss.backward()  # type: ignore[no-untyped-call]
    wanted.backward()
    for ours, theirs in pairs:
        torch.testing.assert_close(ours.grad, theirs.grad)
    buffers = zip(training.take_step.trained_layers.buffers(), alone.buffers(), strict=True)
    assert all(torch.allclose(ours, theirs) for ours, theirs in buffers)


def test_a_schedule_in_shares_of_the_run_counts_both_passes() -> None:
    training = make_training({**DIGITS_CNN, "norm": "batch_renorm", "objective": {"adversarial": 0.05}})
    run_to_end(training)
    norms = [module for module in training.model.modules() if isinstance(module, BatchRenorm)]
    assert {int(norm.num_batches_tracked) for norm in norms} == {12}
    assert {norm.r_max_from for norm in norms} == {0.4 * 12}


@pytest.mark.parametrize("objective", [{}, {"loss": "poisson"}])
def test_numbers_have_adversaries_too(objective: Document) -> None:
    training = make_training({**DIABETES, "objective": {**objective, "adversarial": 0.3}})
    metrics = run_to_end(training).logged[-1]["metrics"]
    assert metrics["test_adversarial_loss"] > metrics["test_loss"]
    assert metrics["test_adversarial_r2"] < metrics["test_r2"]


def test_validation_is_clean_and_the_attack_changes_no_other_metric() -> None:
    training = make_training({**PLAIN, "objective": {"adversarial": 0.2}})
    logged = run_to_end(training).logged
    assert {name for item in logged for name in item.get("metrics", {}) if "adversarial" in name} == {
        "test_adversarial_loss", "test_adversarial_accuracy",
    }  # fmt: skip


def test_a_robust_model_is_better_under_attack() -> None:
    base = {**PLAIN, "dataset": "digits", "epochs": 4, "batch_size": 32}
    hard, soft = (
        run_to_end(make_training({**base, "objective": {"adversarial": {"epsilon": 0.15, "weight": weight}}})).logged[
            -1
        ]
        for weight in (0.5, 1e-6)
    )
    assert hard["metrics"]["test_adversarial_accuracy"] > soft["metrics"]["test_adversarial_accuracy"] + 0.1


def test_the_canonical_recipe_leaves_no_choice() -> None:
    spec = spec_of(make_small_plan({**PLAIN, "objective": {"adversarial": {"epsilon": 0.2, "steps": 5}}}))
    assert (spec.unit, spec.random_start) == ("range", True)
    assert spec.step_size == pytest.approx(0.1)
    spec = spec_of(make_small_plan(logistic(0.2)))
    assert (spec.unit, spec.step_size, spec.random_start) == ("normalized", 0.2, False)
