"""DropConnect: a mask for each sample in training, the mean over masks in evaluation."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bakehouse.plan.layers import KEPT_MASKS, MASK_NUMBERS, DropConnect
from bakehouse.plan.modules import ACTIVATIONS, Call
from bakehouse.recipe.dropout import DropConnect as DropConnectSpec
from tests.small_trainings import IRIS, Document, make_small_plan
from worker.model.build import build, build_model, construct
from worker.model.modules import DropConnect as DropConnectModule
from worker.model.modules.dropout import HALF_NODES, HALF_WEIGHTS, MaskedProduct, expectation, kept_of_65536, masks

RATE = 0.3


def layer_of(inputs: int, outputs: int, *, activation: str | None = None, rate: float = RATE) -> DropConnectModule:
    """A layer in float64."""
    spec = DropConnectSpec(rate=rate)
    layer = build(DropConnect(spec, (inputs,), (outputs,), 0, activation))  # type: ignore[arg-type]
    assert isinstance(layer, DropConnectModule)
    return layer.double()


def masked(inputs: Tensor, weight: Tensor, mask_numbers: int = MASK_NUMBERS, kept_masks: int = KEPT_MASKS) -> Tensor:
    """The product under the same masks every time."""
    torch.manual_seed(0)
    settings = kept_of_65536(RATE), mask_numbers, kept_masks
    product: Tensor = MaskedProduct.apply(inputs, weight, *settings)  # type: ignore[no-untyped-call]
    return product


def test_each_weight_of_each_sample_is_dropped_by_itself() -> None:
    # Inputs that are powers of 3: the sum over kept weights of 1 says which they are.
    inputs = (3.0 ** torch.arange(4, dtype=torch.float64)).expand(4_000, 4)
    sums = (masked(inputs, torch.ones(5, 4, dtype=torch.float64)) * (1 - RATE)).round().long()
    kept = torch.stack([(sums // 3**place) % 3 for place in range(4)], 2)
    assert set(kept.flatten().tolist()) == {0, 1}
    for pairs in (kept[1:] * kept[:-1], kept[:, 1:] * kept[:, :-1], kept[:, :, 1:] * kept[:, :, :-1]):
        wanted = (1 - RATE) ** 2
        assert abs(pairs.double().mean() - wanted) < 7 * math.sqrt(3 * wanted * (1 - wanted) / pairs.numel())


@pytest.mark.parametrize("kept_masks", [KEPT_MASKS, 0], ids=["kept", "drawn twice"])
def test_the_gradient_goes_through_the_same_masks(kept_masks: int) -> None:
    inputs = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    # Two samples at a time, and then the fifth alone.
    assert torch.autograd.gradcheck(partial(masked, mask_numbers=30, kept_masks=kept_masks), (inputs, weight))


def test_masks_that_are_drawn_twice_give_the_bits_of_masks_that_are_kept() -> None:
    gradients = []
    for kept_masks in (5 * 12, 5 * 12 - 1):
        inputs, weight = (torch.ones(rows, 4).requires_grad_() for rows in (5, 3))
        outputs = masked(inputs, weight, mask_numbers=30, kept_masks=kept_masks)
        assert (outputs.grad_fn.masks is None) == (kept_masks < 5 * 12)  # type: ignore[union-attr]
        outputs.sum().backward()  # type: ignore[no-untyped-call]
        gradients.append((outputs.detach(), inputs.grad, weight.grad))
    assert all(map(torch.equal, *gradients))


@pytest.mark.parametrize(
    ("rate", "kept"),
    [(0.0, 65536), (0.5, 32768), (0.25, 49152), (RATE, 45_875), (1e-9, 65535), (1.4 / 65536, 65535), (1 - 1e-9, 1)],
)
def test_masks_have_the_nearest_rate_that_16_bits_can_have_and_none_is_lost(rate: float, kept: int) -> None:
    assert kept_of_65536(rate) == kept
    weight = torch.ones(300, 2_000, dtype=torch.float64)
    [(_, mask)] = masks(torch.ones(1, 2_000), weight, kept, MASK_NUMBERS, torch.Generator().manual_seed(0))
    share = kept / 65536
    assert abs(mask.double().mean() - share) <= 7 * math.sqrt(share * (1 - share) / mask.numel())


@pytest.mark.parametrize("rate", [1e-6, 1.4 / 65536, 0.3, 0.5])
def test_masks_scale_and_evaluation_have_one_rate(rate: float) -> None:
    layer = layer_of(1, 1, activation="tanh", rate=rate)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    x = torch.ones(64, 1, dtype=torch.float64)
    scale = math.atanh(float(layer(x).detach().max()))
    assert scale > 1
    # The mean of tanh(u) for normal u of mean 1 and the variance that masks with this very scale make.
    nodes, weights = np.polynomial.hermite_e.hermegauss(32)
    wanted = np.average(np.tanh(1 + math.sqrt(scale - 1) * nodes), weights=weights)
    assert float(layer.eval()(x)[0].detach()) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("rate", [1e-6, 1.4 / 65536])
def test_a_rate_below_what_masks_can_have_still_drops(rate: float) -> None:
    layer = layer_of(1 << 18, 1, rate=rate)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    sums = layer(torch.ones(64, 1 << 18, dtype=torch.float64)).detach()
    dropped = 64 * (1 << 18) - float(sums.sum()) * 65535 / 65536
    assert abs(dropped - 256) < 7 * math.sqrt(256)


def test_the_bias_is_dropped_too() -> None:
    layer = layer_of(2, 4)
    nn.init.zeros_(layer.weight)
    nn.init.ones_(layer.bias)
    values, counts = layer(torch.randn(2_000, 2, dtype=torch.float64)).unique(return_counts=True)
    torch.testing.assert_close(values, torch.tensor([0, 1 / (1 - RATE)], dtype=torch.float64), rtol=1e-5, atol=0)
    assert abs(int(counts[0]) - 8_000 * RATE) < 7 * math.sqrt(8_000 * RATE * (1 - RATE))


def test_the_mean_and_variance_over_masks_are_the_moments_of_evaluation() -> None:
    layer, x = layer_of(7, 3), torch.randn(7, dtype=torch.float64)
    draws = layer(x.expand(40_000, 7)).detach().numpy()
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    mean = weight @ x.numpy() + bias
    variance = RATE / (1 - RATE) * (weight**2 @ x.numpy() ** 2 + bias**2)
    assert np.all(abs(draws.mean(0) - mean) < 6 * np.sqrt(variance / 40_000))
    np.testing.assert_allclose(draws.var(0), variance, rtol=0.06)
    np.testing.assert_allclose(layer.eval()(x[None])[0].detach().numpy(), mean, rtol=1e-12)


def test_nodes_and_weights_are_those_of_hermite_polynomials() -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(32)
    np.testing.assert_allclose(HALF_NODES, nodes[16:], rtol=1e-14)
    np.testing.assert_allclose(HALF_WEIGHTS, weights[16:] / math.sqrt(2 * math.pi), rtol=1e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_expectation_of_an_activation_is_its_integral(name: str) -> None:
    mean = torch.tensor([-2.0, -0.3, 0.0, 0.4, 1.5], dtype=torch.float64)
    std = torch.tensor([1.5, 0.5, 1.0, 0.01, 0.8], dtype=torch.float64)
    u = torch.linspace(-10, 10, 400_001, dtype=torch.float64)
    density = torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
    activation = construct(Call(ACTIVATIONS[name]))
    values = activation(mean[:, None] + std[:, None] * u) * density
    torch.testing.assert_close(expectation(activation, mean, std), torch.trapezoid(values, u), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_evaluation_is_near_the_mean_over_masks_where_many_inputs_add_up(name: str) -> None:
    layer = layer_of(400, 8, activation=name, rate=0.5)
    x = torch.randn(400, dtype=torch.float64)
    draws = torch.cat([layer(x.expand(1_000, 400)) for _ in range(4)])
    error = (draws.mean(0) - layer.eval()(x[None])[0]).abs()
    assert bool((error < 0.01 + 6 * draws.std(0) / math.sqrt(4_000)).all())


def test_evaluation_of_nothing_is_nothing() -> None:
    layer = layer_of(3, 2, activation="relu").float()
    nn.init.zeros_(layer.bias)
    assert layer.eval()(torch.zeros(1, 3)).abs().max() < 1e-15


def test_rate_0_is_a_linear_layer() -> None:
    layer, x = layer_of(4, 3, activation="tanh", rate=0.0), torch.randn(5, 4, dtype=torch.float64)
    wanted = nn.functional.linear(x, layer.weight, layer.bias).tanh()
    assert torch.equal(layer(x), wanted)
    assert torch.equal(layer.eval()(x), wanted)


def test_16_bits_elsewhere_leave_it_in_32() -> None:
    layer = layer_of(4, 3, activation="relu").float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = layer(torch.randn(5, 4, dtype=torch.bfloat16))
    outputs.sum().backward()
    assert outputs.dtype == torch.float32
    assert layer.weight.grad is not None


def test_without_a_nonlinearity_the_mean_over_masks_is_the_linear_layer_exactly() -> None:
    document: Document = {
        **IRIS,
        "architecture": {"type": "mlp", "hidden": 3, "activation": "identity"},
        "dropout": "drop_connect",
    }
    model = build_model(make_small_plan(document)).eval()
    rows = torch.randn(5, 4)
    layers = [model.get_submodule(name) for name in ("hidden1.linear", "head")]
    wanted = rows
    for layer in layers:
        assert isinstance(layer, nn.Linear)
        wanted = nn.functional.linear(wanted, layer.weight, layer.bias)
    assert torch.equal(model[1:](rows), wanted)
