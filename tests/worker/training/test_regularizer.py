"""Penalties, decay and constraints, one optimizer step at a time."""

from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bakehouse.recipe.norm import NormLayer
from bakehouse.recipe.objective import Loss
from bakehouse.recipe.problems import RecipeInvalid
from tests.small_trainings import DIABETES, DIGITS_CNN, IRIS, Document, make_small_plan, make_training, step_with
from worker.objective.losses import training_loss
from worker.seeds import Seeds
from worker.training.regularizer import dropout_penalty, parameter_groups
from worker.training.training import Training

GRADIENT = torch.full((3, 4), 1e-3)
WEIGHTS = torch.tensor([[10.0, 0.1, -10.0, 0.001]]).repeat(3, 1)
SGD = {"type": "sgd", "lr": 0.1, "momentum": 0.0}
ADAM = {"type": "adam", "lr": 0.1}


def linear(**recipe: Any) -> Training:
    """Four inputs, three outputs, with the weights above."""
    training = make_training({**IRIS, "architecture": "linear", **recipe})
    with torch.no_grad():
        head(training).copy_(WEIGHTS)
    return training


def head(training: Training) -> Tensor:
    return training.model.get_parameter("head.weight")


def after_steps(training: Training, *gradients: Tensor) -> list[float]:
    """The first unit's weights."""
    for gradient in gradients:
        step_with(training, {"head.weight": gradient})
    row: list[float] = head(training)[0].tolist()
    return row


def test_l2_is_scaled_by_adam_and_decoupled_decay_is_not() -> None:
    l2 = linear(optimizer=ADAM, regularizer={"type": "l2", "coefficient": 0.1})
    decay = linear(optimizer=ADAM, regularizer={"type": "weight_decay", "coefficient": 0.1})
    assert after_steps(l2, GRADIENT)[:2] == pytest.approx([9.9, 0.0], abs=1e-5)
    assert after_steps(decay, GRADIENT)[:2] == pytest.approx([9.8, -0.001], abs=1e-5)


def test_adamw_is_the_decoupled_form() -> None:
    short = linear(optimizer={"type": "adamw", "lr": 0.1, "weight_decay": 0.1})
    assert after_steps(short, GRADIENT)[:2] == pytest.approx([9.8, -0.001], abs=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_l2_goes_through_sgds_momentum(momentum: float) -> None:
    sgd = {**SGD, "momentum": momentum}
    found = after_steps(linear(optimizer=sgd, regularizer={"type": "l2", "coefficient": 0.2}), GRADIENT, -3 * GRADIENT)
    w, v = WEIGHTS[0].numpy().astype(float), np.zeros(4)
    for g in (1e-3, -3e-3):
        v = momentum * v + g + 0.2 * w
        w = w - 0.1 * v
    assert found == pytest.approx(w, rel=1e-5)


def test_decoupled_decay_stays_out_of_sgds_momentum() -> None:
    sgd = {**SGD, "momentum": 0.9}
    decay = {"type": "weight_decay", "coefficient": 0.2}
    found = after_steps(linear(optimizer=sgd, regularizer=decay), GRADIENT, -3 * GRADIENT)
    w, v = WEIGHTS[0].numpy().astype(float), np.zeros(4)
    for g in (1e-3, -3e-3):
        v = 0.9 * v + g
        w = w * (1 - 0.1 * 0.2) - 0.1 * v
    assert found == pytest.approx(w, rel=1e-5, abs=1e-7)


def test_decay_follows_the_schedule() -> None:
    slow = {"type": "constant", "warmup_epochs": 1}
    training = linear(optimizer=SGD, schedule=slow, regularizer={"type": "weight_decay", "coefficient": 1.0})
    quarter = 0.1 / training.plan.steps_per_epoch
    assert after_steps(training, 0 * GRADIENT) == pytest.approx(WEIGHTS[0] * (1 - quarter))


def test_l1_proximal_gives_exact_zeros_and_the_subgradient_overshoots() -> None:
    proximal = {"type": "l1", "coefficient": 0.5}
    subgradient = {**proximal, "method": "subgradient"}
    found = after_steps(linear(optimizer=SGD, regularizer=proximal), 0 * GRADIENT)
    assert found == pytest.approx([9.95, 0.05, -9.95, 0.0])
    assert found[3] == 0.0
    found = after_steps(linear(optimizer=SGD, regularizer=subgradient), 0 * GRADIENT)
    assert found == pytest.approx([9.95, 0.05, -9.95, -0.049])


def test_the_proximal_step_comes_after_the_gradients() -> None:
    found = after_steps(linear(optimizer=SGD, regularizer={"type": "l1", "coefficient": 0.5}), torch.ones(3, 4))
    assert found == pytest.approx([9.85, 0.0, -10.05, -0.049])


@pytest.mark.parametrize(
    ("document", "name"), [(IRIS, "hidden1.linear.weight"), (DIGITS_CNN, "stage1.conv1.conv.weight")]
)
def test_max_norm_shortens_each_units_weights_and_no_others(document: dict[str, Any], name: str) -> None:
    training = make_training({**document, "optimizer": SGD, "regularizer": {"type": "max_norm", "maxnorm": 2.0}})
    weight = training.model.get_parameter(name)
    with torch.no_grad():
        weight.copy_(
            torch.randn(weight.shape) * torch.logspace(-2, 2, len(weight)).reshape(-1, *[1] * (weight.ndim - 1))
        )
    before = weight.detach().numpy().reshape(len(weight), -1).copy()
    step_with(training, {})
    lengths = np.sqrt((before**2).sum(1, keepdims=True))
    assert {bool(length > 2) for length in lengths} == {True, False}
    after = weight.detach().numpy().reshape(len(weight), -1)
    np.testing.assert_allclose(after, before * np.minimum(1, 2 / lengths), rtol=1e-5)


ALL_NORMS = [kind.model_fields["type"].default for kind in get_args(NormLayer)]
NORMED: list[Document] = [
    {**DIGITS_CNN, "architecture": {"type": "cnn", "channels": [8], "hidden": []}},
    {**DIGITS_CNN, "architecture": {"type": "mlp", "hidden": [16]}, "augmentation": []},
    *[
        {
            **DIGITS_CNN,
            "architecture": {"type": "rnn", "cell": cell, "hidden_size": 16},
            "augmentation": [],
            "dropout": [],
        }
        for cell in ("elman", "gru", "lstm")
    ],
]
"""Networks that have norms between layers and inside cells."""


def networks_with(norm: str) -> list[Document]:
    """Those of the networks above that this norm fits."""
    found = []
    for document in NORMED:
        try:
            make_small_plan({**document, "norm": norm})
        except RecipeInvalid:
            continue
        found.append({**document, "norm": norm})
    return found


@pytest.mark.parametrize("norm", ALL_NORMS)
def test_every_parameter_of_every_norm_has_the_role_of_norms(norm: str) -> None:
    documents = networks_with(norm)
    assert documents
    for document in documents:
        training = make_training(document)
        without = make_training({**document, "norm": "none"}).model.state_dict()
        added = {name for name, _ in training.model.named_parameters() if name not in without}
        ids = {id(parameter): name for name, parameter in training.model.named_parameters()}
        found = [ids[id(parameter)] for parameter in parameter_groups(training.plan.root, training.model)["norms"]]
        assert len(found) == len(set(found)) > 0
        assert set(found) == added


class UnlistedNorm(nn.Module):
    """A norm of a class that nothing in the worker knows."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs / inputs.square().mean(1, keepdim=True).sqrt() * self.scale


def test_decay_leaves_a_norm_alone_whose_class_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn, "LayerNorm", lambda features, **options: UnlistedNorm(features))
    pulled = [{"type": "weight_decay", "coefficient": 0.5}, "l1", "weight_noise"]
    training = make_training({**IRIS, "norm": "layer_norm", "optimizer": SGD, "regularizer": pulled})
    scale = training.model.get_parameter("hidden1.norm.scale")
    step_with(training, {})
    assert torch.equal(scale, torch.ones_like(scale))


SHRINKING = [("l1", {}), ("l1", {"method": "subgradient"}), ("l2", {}), ("weight_decay", {})]


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize(("kind", "fields"), SHRINKING)
def test_biases_and_norms_are_touched_only_where_that_is_asked_for(
    kind: str, fields: dict[str, str], norms: bool, biases: bool
) -> None:
    spec = {"type": kind, "coefficient": 0.01, "include_biases": biases, "include_norms": norms, **fields}
    training = make_training({**IRIS, "norm": "layer_norm", "optimizer": SGD, "regularizer": spec})
    parameters = dict(training.model.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.fill_(1.0)
    step_with(training, {})
    touched = {name for name, parameter in parameters.items() if not torch.equal(parameter, torch.ones_like(parameter))}
    wanted = {"hidden1.linear.weight", "head.weight"}
    wanted |= {"hidden1.linear.bias", "head.bias"} if biases else set()
    wanted |= {"hidden1.norm.weight", "hidden1.norm.bias"} if norms else set()
    assert touched == wanted


@pytest.mark.parametrize("kind", ["l1", "l2", "weight_decay"])
def test_coefficient_0_is_no_regularizer(kind: str) -> None:
    plain = after_steps(linear(optimizer=ADAM), GRADIENT)
    assert after_steps(linear(optimizer=ADAM, regularizer={"type": kind, "coefficient": 0}), GRADIENT) == plain


def test_all_regularizers_work_together() -> None:
    everything = [{"type": "l1", "coefficient": 0.5}, {"type": "l2", "coefficient": 0.2},
                  {"type": "weight_decay", "coefficient": 0.4}, {"type": "max_norm", "maxnorm": 5.0}]  # fmt: skip
    found = after_steps(linear(optimizer=SGD, regularizer=everything), GRADIENT)
    w = WEIGHTS[0].numpy().astype(float)
    # The optimizer's gradient is taken where the loss was, then the weights decay and move.
    w = w * (1 - 0.1 * 0.4) - 0.1 * (1e-3 + 0.2 * w * (1 - 0.1 * 0.4))
    w = np.sign(w) * np.maximum(np.abs(w) - 0.1 * 0.5, 0)
    assert found == pytest.approx(w * min(1, 5 / np.sqrt((w**2).sum())), rel=1e-5)


@pytest.mark.parametrize(("max_norm", "factor"), [(1.0, 1 / 13), (13.0, 1.0), (20.0, 1.0)])
def test_a_gradient_is_clipped_to_its_length_over_all_parameters(max_norm: float, factor: float) -> None:
    training = linear(optimizer=SGD, regularizer={"type": "gradient_clip", "max_norm": max_norm})
    gradients = {"head.weight": torch.zeros(3, 4), "head.bias": torch.tensor([0.0, 12.0, 0.0])}
    gradients["head.weight"][0] = torch.tensor([3.0, 0.0, 0.0, 4.0])
    bias = training.model.get_parameter("head.bias").detach().clone()
    step_with(training, gradients)
    assert (WEIGHTS - head(training))[0].tolist() == pytest.approx([0.3 * factor, 0, 0, 0.4 * factor], abs=1e-5)
    moved = bias - training.model.get_parameter("head.bias")
    assert moved.tolist() == pytest.approx([0, 1.2 * factor, 0], abs=1e-5)


@pytest.mark.parametrize("order", [1, -1])
def test_a_penalty_is_not_clipped(order: int) -> None:
    both = [{"type": "l1", "coefficient": 0.5, "method": "subgradient"}, {"type": "gradient_clip", "max_norm": 0.1}]
    found = after_steps(linear(optimizer=SGD, regularizer=both[::order]), 0 * GRADIENT)
    assert found == pytest.approx([9.95, 0.05, -9.95, -0.049])


def test_weight_noise_takes_the_gradient_at_noisy_weights_and_steps_from_the_clean_ones() -> None:
    training = linear(optimizer=SGD, regularizer={"type": "weight_noise", "variance": 0.25}, seed=3)
    inputs, targets = torch.randn(6, 4), torch.randint(3, (6,))
    weight, bias = (item.detach().clone() for item in training.model.parameters())
    for step in range(2):
        draw = torch.Generator().manual_seed(Seeds(3, "weight_noise").at(step))
        noisy = (weight + torch.randn(3, 4, generator=draw) * 0.5).requires_grad_()
        bias.requires_grad_()
        loss = torch.nn.functional.cross_entropy(inputs @ noisy.T + bias, targets)
        for_weight, for_bias = torch.autograd.grad(loss, (noisy, bias))
        weight, bias = weight - 0.1 * for_weight, (bias - 0.1 * for_bias).detach()
        training.update(inputs, targets)
        torch.testing.assert_close(head(training), weight)
        torch.testing.assert_close(training.model.get_parameter("head.bias"), bias)


def test_what_has_no_gradient_is_the_same_to_the_bit_after_weight_noise() -> None:
    training = make_training({**DIGITS_CNN, "optimizer": SGD, "regularizer": {"type": "weight_noise", "variance": 9.0}})
    before = training.weights()
    step_with(training, {})
    assert all(torch.equal(before[name], tensor) for name, tensor in training.weights().items())


@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("biases", [False, True])
def test_weight_noise_is_of_its_variance_where_it_was_asked_for(norms: bool, biases: bool) -> None:
    spec = {"type": "weight_noise", "variance": 0.04, "include_biases": biases, "include_norms": norms}
    wide = {"type": "mlp", "hidden": [2000]}
    training = make_training({**IRIS, "architecture": wide, "norm": "layer_norm", "regularizer": spec})
    parameters, noise = dict(training.model.named_parameters()), training.take_step.noise
    before = {name: item.detach().clone() for name, item in parameters.items()}
    with noise(0):
        drawn = {name: (item - before[name]).detach() for name, item in parameters.items()}
    assert all(torch.equal(item, before[name]) for name, item in parameters.items())
    wanted = {"hidden1.linear.weight", "head.weight"}
    wanted |= {"hidden1.linear.bias", "head.bias"} if biases else set()
    wanted |= {"hidden1.norm.weight", "hidden1.norm.bias"} if norms else set()
    assert {name for name, item in drawn.items() if item.any()} == wanted
    assert float(drawn["head.weight"].var()) == pytest.approx(0.04, rel=0.1)
    assert float(drawn["head.weight"].mean()) == pytest.approx(0, abs=0.01)


LOSSES: list[tuple[Loss, int]] = [
    ("squared_error", 1), ("poisson", 1), ("binary_cross_entropy", 1), ("cross_entropy", 2), ("cross_entropy", 5),
]  # fmt: skip


def a_batch(loss: Loss, outputs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs (7, 4), weights and targets."""
    weight = torch.randn(outputs, 4, dtype=torch.float64) / 2
    targets = torch.randint(max(outputs, 2), (7,))
    return torch.randn(7, 4, dtype=torch.float64), weight, targets if outputs > 1 else targets.double()


@pytest.mark.parametrize(("loss", "outputs"), LOSSES)
def test_the_dropout_penalty_is_half_the_trace_of_curvature_times_covariance(loss: Loss, outputs: int) -> None:
    inputs, weight, targets = a_batch(loss, outputs)
    criterion, total = training_loss(loss), 0.0
    for x, t in zip(inputs, targets, strict=True):

        def of_one(z: Tensor, t: Tensor = t) -> Tensor:
            return criterion(z[None], t[None])

        hessian = torch.autograd.functional.hessian(of_one, weight @ x)  # type: ignore[no-untyped-call]
        covariance = 0.3 / 0.7 * weight @ torch.diag(x**2) @ weight.T
        total += float(torch.trace(hessian @ covariance)) / 2
    found = dropout_penalty(inputs, inputs @ weight.T, weight=weight, rate=0.3, loss=loss)
    assert float(found) == pytest.approx(total / 7)


@pytest.mark.parametrize(("loss", "outputs"), LOSSES)
def test_the_dropout_penalty_is_what_dropout_adds(loss: Loss, outputs: int) -> None:
    """Exactly for squared error, else up to terms of higher order in the noise: here it is small."""
    is_exact = loss == "squared_error"
    inputs, weight, targets = a_batch(loss, outputs)
    weight = weight if is_exact else weight / 100
    criterion, rate, expected = training_loss(loss), 0.3, 0.0
    for kept in product((0, 1), repeat=4):
        mask = torch.tensor(kept, dtype=torch.float64)
        chance = rate ** (4 - sum(kept)) * (1 - rate) ** sum(kept)
        expected += chance * float(criterion(inputs * mask / (1 - rate) @ weight.T, targets))
    added = expected - float(criterion(inputs @ weight.T, targets))
    found = float(dropout_penalty(inputs, inputs @ weight.T, weight=weight, rate=rate, loss=loss))
    assert found == pytest.approx(added, rel=1e-9 if is_exact else 0.05)


@pytest.mark.parametrize(("loss", "outputs"), LOSSES)
def test_the_gradient_of_the_dropout_penalty(loss: Loss, outputs: int) -> None:
    inputs, weight, _ = a_batch(loss, outputs)

    def penalty(weight: Tensor) -> Tensor:
        return dropout_penalty(inputs, inputs @ weight.T, weight=weight, rate=0.5, loss=loss)

    assert torch.autograd.gradcheck(penalty, weight.requires_grad_())


@pytest.mark.parametrize(("base", "loss"), [(IRIS, "cross_entropy"), (DIABETES, "squared_error")])
def test_a_step_lowers_the_objective_and_its_penalty_and_tells_the_objective(base: Document, loss: Loss) -> None:
    document = {**base, "architecture": "linear", "optimizer": SGD}
    plain = make_training(document)
    penalised = make_training({**document, "regularizer": {"type": "dropout_penalty", "rate": 0.2}})
    inputs, targets = next(plain.batches.from_step(0))
    weight, bias = (item.detach().clone().requires_grad_() for item in plain.model.parameters())
    outputs = inputs @ weight.T + bias
    value = training_loss(loss)(outputs, targets)
    total = value + dropout_penalty(inputs, outputs, weight=weight, rate=0.2, loss=loss)
    [gradient] = torch.autograd.grad(total, weight)
    for training in (plain, penalised):
        training.update(inputs, targets)
    torch.testing.assert_close(head(penalised), weight - 0.1 * gradient)
    logged = [training.metrics.pending[0][0] for training in (plain, penalised)]
    assert torch.equal(*logged)
