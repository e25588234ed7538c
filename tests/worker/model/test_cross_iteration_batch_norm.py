"""Batch norm over iterations against the algorithm of arXiv 2002.05712 in NumPy, in float64."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.small_trainings import DIGITS_CNN, make_small_plan, make_training
from worker.model.build import build_model
from worker.model.modules import CrossIterationBatchNorm, compensated
from worker.model.modules.norms import Affine, CompensatedSequence, in_groups, mean_slope, moments, square_slope

Floats = NDArray[np.float64]

EPS = 0.1


def linear() -> Affine:
    return nn.Linear(5, 4, bias=False)


def conv() -> Affine:
    return nn.Conv2d(3, 4, 3, padding=1, bias=False)


def grouped_conv() -> Affine:
    return nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False)


def pointwise_conv() -> Affine:
    return nn.Conv2d(3, 4, 1, stride=2, bias=False)


LAYERS = pytest.mark.parametrize("make", [linear, conv, grouped_conv, pointwise_conv])


def following(
    affine: Affine, *, window: int = 4, burn_in: int = 0
) -> tuple[CompensatedSequence, CrossIterationBatchNorm]:
    """The layer and its norm in float64, gamma and beta at random."""
    norm = CrossIterationBatchNorm(len(affine.weight), window=window, burn_in=burn_in, eps=EPS)
    sequence = compensated(affine=affine, norm=norm).double()
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return sequence, norm


def batch(affine: Affine, rows: int = 3) -> Tensor:
    """Inputs that are neither centred nor of one scale."""
    shape = (affine.in_features,) if isinstance(affine, nn.Linear) else (affine.in_channels, 5, 4)
    return torch.randn(rows, *shape, dtype=torch.float64) * 2 + 1


def shaken(affine: Affine, size: float = 0.1) -> None:
    """Other weights, as after a step."""
    with torch.no_grad():
        affine.weight.add_(torch.randn_like(affine.weight) * size)


def patches(affine: Affine, inputs: Floats) -> list[Floats]:
    """What the weights of each unit are multiplied with: (positions, weights of a unit)."""
    if isinstance(affine, nn.Linear):
        return [inputs] * affine.out_features
    assert not isinstance(affine.padding, str)
    (side, _), (stride, _), (pad, _) = affine.kernel_size, affine.stride, affine.padding
    padded = np.pad(inputs, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    height, width = ((padded.shape[axis] - side) // stride + 1 for axis in (2, 3))
    per_group, units = affine.in_channels // affine.groups, affine.out_channels // affine.groups
    found = []
    for unit in range(affine.out_channels):
        first = unit // units * per_group
        mine = padded[:, first : first + per_group]
        windows = [
            mine[:, :, row * stride : row * stride + side, column * stride : column * stride + side].reshape(
                len(mine), -1
            )
            for row in range(height)
            for column in range(width)
        ]
        found.append(np.stack(windows, 1).reshape(len(mine) * height * width, -1))
    return found


def flat(weight: Tensor) -> Floats:
    array: Floats = weight.detach().numpy().reshape(len(weight), -1).copy()
    return array


@dataclass
class Iteration:
    """What the paper stores."""

    mu: Floats
    nu: Floats
    theta: Floats
    d_mu: Floats
    d_nu: Floats


@dataclass
class Reference:
    """The algorithm, word by word."""

    window: int
    stored: list[Iteration] = field(default_factory=list)

    def step(self, affine: Affine, inputs: Tensor) -> tuple[Floats, Floats, Floats]:
        """Outputs (units, positions), mean and variance of this iteration, which is stored."""
        theta, patch = flat(affine.weight), patches(affine, inputs.detach().numpy())
        x = np.stack([rows @ unit for rows, unit in zip(patch, theta, strict=True)])
        d_mu = np.stack([rows.mean(0) for rows in patch])
        d_nu = np.stack([2 * (unit[:, None] * rows).mean(0) for unit, rows in zip(x, patch, strict=True)])
        now = Iteration(x.mean(1), (x**2).mean(1), theta, d_mu, d_nu)
        mus, nus = [now.mu], [now.nu]
        for old in self.stored[::-1][: self.window - 1]:
            mus.append(old.mu + (old.d_mu * (theta - old.theta)).sum(1))
            nus.append(old.nu + (old.d_nu * (theta - old.theta)).sum(1))
        self.stored.append(now)
        mean = np.mean(mus, 0)
        return x, mean, np.mean([np.maximum(nu, mu**2) for mu, nu in zip(mus, nus, strict=True)], 0) - mean**2


def by_unit(outputs: Tensor) -> Floats:
    """(units, positions)."""
    array: Floats = outputs.detach().movedim(1, 0).flatten(1).numpy()
    return array


def parts(norm: CrossIterationBatchNorm) -> tuple[Floats, Floats]:
    """gamma and beta as columns."""
    assert norm.weight is not None
    assert norm.bias is not None
    return norm.weight.detach().numpy()[:, None], norm.bias.detach().numpy()[:, None]


@LAYERS
@pytest.mark.parametrize("window", [1, 2, 4])
def test_outputs_are_those_of_the_algorithm_while_the_weights_change(make: Callable[[], Affine], window: int) -> None:
    affine = make()
    sequence, norm = following(affine, window=window)
    reference, (gamma, beta) = Reference(window), parts(norm)
    moving_mean, moving_variance = np.zeros(len(gamma)), np.ones(len(gamma))
    for rows in (3, 3, 4, 2, 3, 5, 3):
        inputs = batch(affine, rows)
        outputs = sequence(inputs)
        x, mean, variance = reference.step(affine, inputs)
        wanted = gamma * (x - mean[:, None]) / np.sqrt(variance + EPS)[:, None] + beta
        np.testing.assert_allclose(by_unit(outputs), wanted, rtol=1e-9, atol=1e-10)
        moving_mean += 0.1 * (x.mean(1) - moving_mean)
        moving_variance += 0.1 * (x.var(1, ddof=1) - moving_variance)
        # Far enough for some of the old mean squares to fall below the square of their mean.
        shaken(affine, 0.5)
    inputs = batch(affine)
    evaluated = by_unit(sequence.eval()(inputs))
    x, *_ = reference.step(affine, inputs)
    wanted = gamma * (x - moving_mean[:, None]) / np.sqrt(moving_variance + EPS)[:, None] + beta
    np.testing.assert_allclose(evaluated, wanted, rtol=1e-9, atol=1e-10)


def test_mean_squares_below_the_square_of_their_mean_are_met() -> None:
    affine = linear()
    sequence, norm = following(affine)
    below = 0
    for _ in range(20):
        sequence(batch(affine))
        theta = in_groups(affine.weight, affine)
        means, squares = ((slopes * theta).sum(3) + offsets for slopes, offsets in norm.slopes_and_offsets())
        below += int((squares < means.square()).sum())
        shaken(affine, 0.5)
    assert below > 0


@LAYERS
def test_slopes_are_the_derivatives_of_mean_and_mean_square(make: Callable[[], Affine]) -> None:
    affine = make().double()
    inputs = batch(affine)

    def by_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
        outputs = torch.func.functional_call(affine, {"weight": weight}, inputs).movedim(1, 0).flatten(1)
        return outputs.mean(1), outputs.square().mean(1)

    weight, step = affine.weight.detach(), 1e-5
    of_mean = mean_slope(inputs, affine).expand_as(in_groups(weight, affine)).reshape(weight.shape)
    of_square = square_slope(affine(inputs), inputs, affine).reshape(weight.shape)
    for index in np.ndindex(*weight.shape):
        moved = torch.zeros_like(weight)
        moved[index] = step
        for slope, ahead, behind in zip(
            (of_mean, of_square), by_weight(weight + moved), by_weight(weight - moved), strict=True
        ):
            derivative = (ahead - behind) / (2 * step)
            torch.testing.assert_close(derivative[index[0]], slope[index], rtol=1e-6, atol=1e-8)
            assert torch.count_nonzero(derivative.abs() > 1e-12) <= 1


@LAYERS
@pytest.mark.parametrize("window", [2, 4])
def test_gradients_flow_through_the_present_iteration_alone(make: Callable[[], Affine], window: int) -> None:
    affine = make()
    sequence, norm = following(affine, window=window)
    for _ in range(window):
        sequence(batch(affine))
        shaken(affine)
    inputs = batch(affine)
    earlier = norm.over_window(moments(affine(inputs)), affine)
    present = moments(affine(inputs))
    assert norm.weight is not None
    assert norm.bias is not None
    outputs = sequence(inputs)
    direction = torch.randn_like(outputs)
    (outputs * direction).sum().backward()

    # The window's sums as constants plus the present iteration's share, differentiated by autograd.
    k, per_unit = earlier[2], (-1, *[1] * (outputs.ndim - 2))
    rest_mean = earlier[0] - present[0] / k
    rest_square = earlier[1] + earlier[0].square() - (present[1] + present[0].square()) / k
    axes = (0, *range(2, outputs.ndim))
    weight = affine.weight.detach().clone().requires_grad_()
    x = torch.func.functional_call(affine, {"weight": weight}, inputs)
    mean = rest_mean + x.mean(axes) / k
    variance = rest_square + x.square().mean(axes) / k - mean.square()
    gamma, beta = (parameter.detach().clone().requires_grad_() for parameter in (norm.weight, norm.bias))
    scale = gamma / (variance + EPS).sqrt()
    y = (x - mean.view(per_unit)) * scale.view(per_unit) + beta.view(per_unit)
    torch.testing.assert_close(outputs, y)
    (y * direction).sum().backward()
    for found, wanted in ((affine.weight, weight), (norm.weight, gamma), (norm.bias, beta)):
        torch.testing.assert_close(found.grad, wanted.grad)
    assert k == window


@LAYERS
@pytest.mark.parametrize("fields", [{"window": 1}, {"burn_in": 3}])
def test_a_window_of_one_and_the_burn_in_are_batch_norm_to_the_bit(
    make: Callable[[], Affine], fields: dict[str, int]
) -> None:
    affine = make()
    kind = nn.BatchNorm1d if isinstance(affine, nn.Linear) else nn.BatchNorm2d
    plain = kind(len(affine.weight), eps=EPS).double()
    sequence, norm = following(affine, **fields)
    plain.load_state_dict(norm.state_dict())
    for _ in range(3):
        inputs = batch(affine)
        gradients = []
        for model in (sequence, nn.Sequential(affine, plain)):
            affine.weight.grad = None
            outputs = model(inputs)
            outputs.square().sum().backward()
            gradients.append((outputs, affine.weight.grad))
        assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))
        shaken(affine)
    assert all(torch.equal(one, other) for one, other in zip(norm.buffers(), plain.buffers(), strict=False))
    torch.testing.assert_close(norm.state_dict(), plain.state_dict(), rtol=0, atol=0)


def test_the_first_window_after_the_burn_in_is_whole() -> None:
    affine = linear()
    sequence, norm = following(affine, burn_in=5)
    seen = []
    for _ in range(8):
        inputs = batch(affine)
        seen.append(norm.over_window(moments(affine(inputs)), affine)[2] if norm.remembered >= 0 else 0)
        sequence(inputs)
    assert seen == [0, 0, 1, 2, 3, 4, 4, 4]


def test_a_burn_in_in_shares_knows_the_length_of_its_run() -> None:
    plan = make_small_plan({**DIGITS_CNN, "norm": {"type": "cross_iteration_batch_norm", "burn_in": 0.5}})
    [layer] = [item for item in build_model(plan).modules() if isinstance(item, CrossIterationBatchNorm)]
    assert layer.burn_in == plan.steps / 2 == 3


def test_in_16_bits_statistics_have_32() -> None:
    affine = conv().float()
    sequence, norm = following(affine)
    sequence.float()
    for _ in range(4):
        inputs = batch(affine).float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = sequence(inputs)
        outputs.square().sum().backward()
        kept = norm.mean_slopes[(norm.remembered - 1) % 3]
        torch.testing.assert_close(kept, mean_slope(inputs, affine))
        assert {tensor.dtype for tensor in norm.buffers() if tensor.is_floating_point()} == {torch.float32}
        assert outputs.dtype == torch.bfloat16
        assert affine.weight.grad is not None
        shaken(affine)


def test_the_weights_of_an_iteration_are_those_that_its_outputs_came_from() -> None:
    noisy = {"type": "weight_noise", "variance": 0.1}
    training = make_training({**DIGITS_CNN, "norm": "cross_iteration_batch_norm", "regularizer": noisy})
    [layer] = [item for item in training.model.modules() if isinstance(item, CrossIterationBatchNorm)]
    training.update(*next(training.batches.from_step(0)))
    # A mean is <mean patch, weights>, which leaves no offset; at the clean weights it would.
    assert float(layer.mean_slopes[0].abs().max()) > 0.1
    torch.testing.assert_close(layer.mean_offsets[0], torch.zeros_like(layer.mean_offsets[0]), rtol=0, atol=1e-5)
