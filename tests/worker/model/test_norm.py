"""Normalisation layers against their formulas in float64."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from bakehouse.plan.layers import Norm
from bakehouse.recipe.norm import (
    BatchNorm,
    BatchRenorm,
    CrossIterationBatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    NormLayer,
    RmsNorm,
)
from tests.small_trainings import IRIS, make_small_plan
from worker.model.build import build, build_model
from worker.model.modules import BatchRenorm as BatchRenormModule
from worker.model.modules import CrossIterationBatchNorm as CrossIterationModule
from worker.model.modules import compensated
from worker.model.modules.norms import reset_counters

Floats = NDArray[np.float64]

ROWS, MAPS = (6,), (6, 3, 5)
EPS = 0.25
CASES: list[tuple[NormLayer, tuple[int, ...]]] = [
    (BatchNorm(eps=EPS), ROWS),
    (BatchNorm(eps=EPS), MAPS),
    (LayerNorm(eps=EPS), ROWS),
    (LayerNorm(eps=EPS), MAPS),
    (RmsNorm(eps=EPS), ROWS),
    (RmsNorm(eps=EPS), MAPS),
    (InstanceNorm(eps=EPS), MAPS),
    (GroupNorm(eps=EPS, num_groups=3), ROWS),
    (GroupNorm(eps=EPS, num_groups=2), MAPS),
    (GroupNorm(eps=EPS, num_groups=1), MAPS),
    # As it begins: without a correction.
    (BatchRenorm(eps=EPS), ROWS),
    (BatchRenorm(eps=EPS), MAPS),
]


def as_groups(spec: NormLayer, x: Floats) -> Floats:
    """The numbers that share a mean, one row each."""
    match spec:
        case BatchNorm() | BatchRenorm() | CrossIterationBatchNorm():
            return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
        case LayerNorm() | RmsNorm():
            return x.reshape(len(x), -1)
        case InstanceNorm():
            return x.reshape(len(x) * x.shape[1], -1)
        case GroupNorm(num_groups=groups):
            return x.reshape(len(x) * groups, -1)


def from_groups(spec: NormLayer, rows: Floats, shape: tuple[int, ...]) -> Floats:
    """Back to the inputs' shape."""
    if isinstance(spec, BatchNorm | BatchRenorm):
        return np.moveaxis(rows.reshape(shape[1], shape[0], *shape[2:]), 0, 1)
    return rows.reshape(shape)


def learned(layer: nn.Module, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """gamma and beta, drawn at random, over a batch; beta is zero where a norm has no shift."""
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    per_channel = (-1, *[1] * (len(shape) - 1))
    parameters = dict(layer.named_parameters())
    arrays = [parameter.detach().numpy() for parameter in parameters.values()]
    arrays += [np.zeros_like(arrays[0])] if "bias" not in parameters else []
    gamma, beta = (array if array.shape == shape else array.reshape(per_channel) for array in arrays)
    return gamma, beta


@pytest.mark.parametrize(("spec", "shape"), CASES)
def test_forward_and_backward_are_the_closed_forms(spec: NormLayer, shape: tuple[int, ...]) -> None:
    layer = build(Norm(spec, shape)).double()
    gamma, beta = learned(layer, shape)
    x = torch.randn(4, *shape, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(4, *shape, dtype=torch.float64)
    y = layer(x)
    y.backward(dy)

    rows = as_groups(spec, x.detach().numpy())
    is_centred = not isinstance(spec, RmsNorm)
    centred = rows - rows.mean(1, keepdims=True) * is_centred
    deviation = np.sqrt((centred**2).mean(1, keepdims=True) + EPS)
    x_hat = centred / deviation
    x_hat_in_place = from_groups(spec, x_hat, (4, *shape))
    np.testing.assert_allclose(y.detach().numpy(), gamma * x_hat_in_place + beta, rtol=1e-9, atol=1e-12)

    g, m = as_groups(spec, gamma * dy.numpy()), rows.shape[1]
    dx = (m * g - g.sum(1, keepdims=True) * is_centred - x_hat * (g * x_hat).sum(1, keepdims=True)) / (m * deviation)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), from_groups(spec, dx, (4, *shape)), rtol=1e-8, atol=1e-11)
    assert isinstance(layer.weight, nn.Parameter)
    assert layer.weight.grad is not None
    per_sample = (dy.numpy() * x_hat_in_place).sum(0)
    d_gamma = per_sample if gamma.shape == shape else per_sample.reshape(shape[0], -1).sum(1)
    np.testing.assert_allclose(layer.weight.grad.numpy(), d_gamma, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("shape", [ROWS, MAPS])
def test_batch_norm_evaluates_with_moving_averages_that_start_at_0_and_1(shape: tuple[int, ...]) -> None:
    layer = build(Norm(BatchNorm(momentum=0.3, eps=EPS), shape)).double()
    batches = [torch.randn(4, *shape, dtype=torch.float64) * scale + scale for scale in (1, 5)]
    for batch in batches:
        layer(batch)
    mean, variance = np.zeros(6), np.ones(6)
    for batch in batches:
        rows = as_groups(BatchNorm(), batch.numpy())
        mean = 0.7 * mean + 0.3 * rows.mean(1)
        variance = 0.7 * variance + 0.3 * rows.var(1, ddof=1)
    layer.eval()
    x = torch.randn(2, *shape, dtype=torch.float64)
    per_channel = (6, *[1] * (len(shape) - 1))
    wanted = (x.numpy() - mean.reshape(per_channel)) / np.sqrt(variance.reshape(per_channel) + EPS)
    np.testing.assert_allclose(layer(x).detach().numpy(), wanted, rtol=1e-9)


@pytest.mark.parametrize(("spec", "shape"), CASES)
def test_only_batch_statistics_are_different_in_evaluation(spec: NormLayer, shape: tuple[int, ...]) -> None:
    layer = build(Norm(spec, shape))
    x = torch.randn(4, *shape) * 3
    trained, evaluated = layer.train()(x), layer.eval()(x)
    assert torch.equal(trained, evaluated) is not isinstance(spec, BatchNorm | BatchRenorm)


@pytest.mark.parametrize(("spec", "shape"), CASES)
def test_without_affine_nothing_is_learned(spec: NormLayer, shape: tuple[int, ...]) -> None:
    [field] = {"affine", "elementwise_affine"} & set(type(spec).model_fields)
    plain = build(Norm(spec.model_copy(update={field: False}), shape))
    assert not list(plain.parameters())
    x = torch.randn(4, *shape)
    torch.testing.assert_close(plain(x), build(Norm(spec, shape))(x))


@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm_of_channels_last_maps_is_torchs_and_leaves_them_channels_last(affine: bool) -> None:
    ours, theirs = (
        build(Norm(LayerNorm(elementwise_affine=affine), MAPS)),
        nn.LayerNorm(MAPS, elementwise_affine=affine),
    )
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    maps = torch.randn(8, *MAPS)
    found, wanted = (
        maps.to(memory_format=order).requires_grad_() for order in (torch.channels_last, torch.contiguous_format)
    )
    gradient = torch.randn_like(maps)
    outputs = ours(found)
    assert outputs.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(outputs, theirs(wanted), rtol=1e-6, atol=1e-6)
    assert torch.equal(ours(wanted), theirs(wanted))
    for layer, inputs in ((ours, found), (theirs, wanted)):
        layer.zero_grad()
        layer(inputs).backward(gradient)
    assert found.grad is not None
    torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-5, atol=1e-6)
    for ours_learned, theirs_learned in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours_learned.grad, theirs_learned.grad, rtol=1e-5, atol=1e-6)


def test_one_group_is_layer_norm_and_a_group_a_channel_is_instance_norm() -> None:
    x = torch.randn(4, *MAPS, dtype=torch.float64)
    one, each = (build(Norm(GroupNorm(num_groups=groups, affine=False), MAPS)) for groups in (1, 6))
    layer = build(Norm(LayerNorm(elementwise_affine=False), MAPS))
    instance = build(Norm(InstanceNorm(affine=False), MAPS))
    torch.testing.assert_close(one(x), layer(x))
    torch.testing.assert_close(each(x), instance(x))


def renorm(run_steps: int = 1, /, **fields: float | str) -> BatchRenormModule:
    """Six features in float64, gamma and beta at random."""
    spec = BatchRenorm.model_validate({"momentum": 0.3, "eps": EPS, **fields})
    layer = build(Norm(spec, ROWS), run_steps=run_steps).double()
    assert isinstance(layer, BatchRenormModule)
    learned(layer, ROWS)
    return layer


def at_once(r_max: float, d_max: float) -> dict[str, float]:
    """Limits that are reached in the first step."""
    return {"r_max": r_max, "d_max": d_max, "burn_in": 0, "r_max_from": 0, "d_max_from": 0}


@pytest.mark.parametrize("shape", [ROWS, MAPS])
@pytest.mark.parametrize(("r_max", "d_max"), [(1.0, 0.0), (1.5, 0.5), (100.0, 100.0)])
def test_batch_renorm_step_by_step(shape: tuple[int, ...], r_max: float, d_max: float) -> None:
    layer = renorm(**at_once(r_max, d_max))
    assert layer.weight is not None
    gamma, beta = (tensor.detach().numpy()[:, None] for tensor in (layer.weight, layer.bias) if tensor is not None)
    moving_mean, moving_std = np.zeros((6, 1)), np.ones((6, 1))
    for step in range(4):
        x = (torch.randn(5, *shape, dtype=torch.float64) * (1 + step) + step).requires_grad_()
        dy = torch.randn(5, *shape, dtype=torch.float64)
        layer.weight.grad = None
        y = layer(x)
        y.backward(dy)

        rows = as_groups(BatchRenorm(), x.detach().numpy())
        mean = rows.mean(1, keepdims=True)
        std = np.sqrt(EPS + ((rows - mean) ** 2).mean(1, keepdims=True))
        r = np.clip(std / moving_std, 1 / r_max, r_max)
        d = np.clip((mean - moving_mean) / moving_std, -d_max, d_max)
        z = (rows - mean) / std
        wanted = from_groups(BatchRenorm(), gamma * (z * r + d) + beta, (5, *shape))
        np.testing.assert_allclose(y.detach().numpy(), wanted, rtol=1e-9, atol=1e-11)

        g_y = as_groups(BatchRenorm(), dy.numpy())
        g = gamma * g_y
        dx = r / std * (g - g.mean(1, keepdims=True) - z * (g * z).mean(1, keepdims=True))
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), from_groups(BatchRenorm(), dx, (5, *shape)), rtol=1e-8, atol=1e-11)
        assert isinstance(layer.weight.grad, torch.Tensor)
        np.testing.assert_allclose(layer.weight.grad.numpy(), (g_y * (z * r + d)).sum(1), rtol=1e-8, atol=1e-10)

        moving_mean += 0.3 * (mean - moving_mean)
        moving_std += 0.3 * (std - moving_std)
    assert int(layer.num_batches_tracked) == 4
    x = torch.randn(3, *shape, dtype=torch.float64)
    rows = gamma * (as_groups(BatchRenorm(), x.numpy()) - moving_mean) / moving_std + beta
    evaluated = layer.eval()(x).detach().numpy()
    np.testing.assert_allclose(evaluated, from_groups(BatchRenorm(), rows, (3, *shape)), rtol=1e-9, atol=1e-11)
    assert int(layer.num_batches_tracked) == 4


def test_unclipped_batch_renorm_trains_on_what_it_would_have_evaluated() -> None:
    layer = renorm(**at_once(1e6, 1e6))
    for _ in range(3):
        layer(torch.randn(8, 6, dtype=torch.float64) * 3 + 1)
    x = torch.randn(8, 6, dtype=torch.float64)
    evaluated = layer.eval()(x)
    torch.testing.assert_close(layer.train()(x), evaluated)


PAPER: dict[str, float | str] = {"unit": "steps", "burn_in": 5_000.0, "r_max_from": 40_000.0, "d_max_from": 25_000.0}


@pytest.mark.parametrize(
    ("step", "r_max", "d_max"),
    [
        (0, 1, 0),
        (5_000, 1, 0),
        (15_000, 1 + 2 * 10 / 35, 2.5),
        (25_000, 1 + 2 * 20 / 35, 5),
        (40_000, 3, 5),
        (10**6, 3, 5),
    ],
)
def test_the_limits_rise_as_in_the_paper(step: int, r_max: float, d_max: float) -> None:
    for layer in (renorm(**PAPER), renorm(100_000)):
        layer.num_batches_tracked.fill_(step)
        assert [float(limit) for limit in layer.limits()] == pytest.approx([r_max, d_max])


@pytest.mark.parametrize("unit", ["steps", "run"])
@pytest.mark.parametrize("plain_steps", [0, 1, 7])
def test_limits_that_end_where_they_begin_jump_right_after_the_plain_steps(plain_steps: int, unit: str) -> None:
    at = plain_steps if unit == "steps" else plain_steps / 100
    layer = renorm(100, unit=unit, burn_in=at, r_max_from=at, d_max_from=at, r_max=2.0, d_max=4.0)
    found = []
    for _ in range(plain_steps + 2):
        found.append(tuple(float(limit) for limit in layer.limits()))
        layer(torch.randn(5, 6, dtype=torch.float64))
    assert found == [(1.0, 0.0)] * plain_steps + [(2.0, 4.0)] * 2


def test_a_schedule_in_shares_knows_the_length_of_its_run() -> None:
    plan = make_small_plan({**IRIS, "norm": "batch_renorm"})
    ends = [layer.r_max_from for layer in build_model(plan).modules() if isinstance(layer, BatchRenormModule)]
    assert ends == [0.4 * plan.steps]


@pytest.mark.parametrize(("spec", "shape"), CASES)
def test_gradients_are_those_of_finite_differences(spec: NormLayer, shape: tuple[int, ...]) -> None:
    layer = build(Norm(spec, shape)).double()
    learned(layer, shape)
    if isinstance(layer, BatchRenormModule):
        # Far from the batch both corrections are at their limits, and so constant for the differences too.
        layer.r_max, layer.d_max = 1.5, 0.5
        layer.burn_in = layer.r_max_from = layer.d_max_from = 0
        layer.num_batches_tracked += 1
        layer.running_mean.fill_(-9.0)
        layer.running_std.fill_(0.01)
    names, values = zip(*layer.named_parameters(), strict=True)
    buffers = {name: tensor.clone() for name, tensor in layer.named_buffers()}

    def normalized(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        fresh = {name: tensor.clone() for name, tensor in buffers.items()}
        outputs: torch.Tensor = torch.func.functional_call(
            layer, {**dict(zip(names, parameters, strict=True)), **fresh}, x
        )
        return outputs

    x = torch.randn(3, *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(normalized, (x, *(value.detach().requires_grad_() for value in values)))


def test_resetting_sets_every_count_to_0_and_keeps_the_statistics() -> None:
    cross_iteration = CrossIterationModule(6, window=2, burn_in=0)
    sequence = compensated(linear=nn.Linear(6, 6), norm=cross_iteration)
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Sequential(renorm(), nn.LayerNorm(6)), sequence).double()
    for _ in range(4):
        model(torch.randn(8, 6, dtype=torch.float64))
    before = {name: tensor.clone() for name, tensor in model.named_buffers()}
    assert cross_iteration.iteration == 4
    reset_counters(model)
    assert cross_iteration.iteration == 0
    counts = {name for name in before if name.endswith("num_batches_tracked")}
    assert len(counts) == 3
    for name, tensor in model.named_buffers():
        assert torch.equal(tensor, torch.zeros_like(tensor) if name in counts else before[name])
        assert name not in counts or before[name] == 4
