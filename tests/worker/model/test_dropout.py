"""Dropout: masks and noise, their expectation, their gradient, and when they are drawn."""

import math
from collections.abc import Callable
from functools import partial
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from bakehouse.plan import layers
from bakehouse.recipe.dropout import (
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout,
    UnitDropout,
    Uout,
    VanillaDropout,
)
from tests.small_trainings import IRIS, Document, make_small_plan, make_training
from worker.model.build import build, build_model
from worker.model.modules import Dropout as DropoutModule
from worker.model.modules.dropout import kept_of_65536, normal_like, random_mask

RATES = [0.1, 0.5, 0.9]
KIND_OF: dict[str, type[Dropout] | type[VanillaDropout]] = {"dropout": Dropout, "vanilla_dropout": VanillaDropout}
KINDS: list[type[Dropout] | type[VanillaDropout]] = [Dropout, VanillaDropout]
NOISES: list[tuple[UnitDropout, float, float]] = [
    (GaussianDropout(rate=0.2), 0.25, 0.0),
    (GaussianDropout(rate=0.5), 1.0, 0.0),
    (Uout(beta=0.1), 0.01 / 3, 0.0),
    (Uout(beta=1.0), 1 / 3, 0.0),
    (GaussianNoise(std=0.3), 0.0, 0.09),
]
"""A noise, and its variance as a x^2 + b."""
EXPECTED: list[UnitDropout] = [
    *(kind(rate=rate) for kind in KINDS for rate in RATES),
    SpatialDropout(rate=0.3),
    *(spec for spec, _, _ in NOISES),
]
NOTHING: list[UnitDropout] = [
    Dropout(rate=0),
    VanillaDropout(rate=0),
    SpatialDropout(rate=0),
    GaussianDropout(rate=0),
    Uout(beta=0),
    GaussianNoise(std=0),
]
"""Dropouts that change nothing."""


def dropout(spec: UnitDropout) -> nn.Module:
    return build(layers.Dropout(spec, (), 0))


def keep(rate: float) -> float:
    """The probability of keeping an element, as 16 random bits can have it."""
    return round((1 - rate) * 65536) / 65536


def kept_value(spec: Dropout | VanillaDropout) -> float:
    """What a mask multiplies by where it does not zero."""
    return 1 / keep(spec.rate) if isinstance(spec, Dropout) else 1.0


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_element_of_each_sample_is_zeroed_by_itself(kind: type[Dropout], rate: float) -> None:
    spec = kind(rate=rate)
    masks = dropout(spec)(torch.ones(200, 4, 5, 5))
    kept = masks != 0
    torch.testing.assert_close(masks[kept], torch.full_like(masks[kept], kept_value(spec)))
    # Seven standard errors of a Bernoulli mean; pairs of neighbours, channels and samples are independent.
    for pairs in (kept[:, :, :, 1:] & kept[:, :, :, :-1], kept[:, 1:] & kept[:, :-1], kept[1:] & kept[:-1]):
        wanted = (1 - rate) ** 2
        assert abs(pairs.double().mean() - wanted) < 7 * math.sqrt(3 * wanted * (1 - wanted) / pairs.numel())


ORDERS = {
    "contiguous": torch.empty(40, 6, 5, 7),
    "channels_last": torch.empty(40, 6, 5, 7).to(memory_format=torch.channels_last),
    "expanded": torch.empty(6, 5, 7).expand(40, 6, 5, 7),
    "part": torch.empty(40, 9, 5, 14).to(memory_format=torch.channels_last)[:, 3:, :, ::2],
    "odd": torch.empty(3),
    "none": torch.empty(0, 4),
}
"""Tensors whose elements lie in different orders in memory."""
DRAWS: list[Callable[[Tensor], Tensor]] = [partial(random_mask, kept=40_000), normal_like]


@pytest.mark.parametrize("like", ORDERS.values(), ids=ORDERS)
def test_masks_and_noise_are_drawn_in_memory_order_and_again_with_the_same_seed(like: Tensor) -> None:
    for draw in DRAWS:
        torch.default_generator.manual_seed(0)
        first = draw(like)
        torch.default_generator.manual_seed(0)
        again = draw(like)
        assert first.shape == like.shape
        assert first.stride() == torch.empty_like(like).stride()
        assert torch.equal(first, again)
        assert like.numel() < 10 or not torch.equal(first, draw(like))


@pytest.mark.parametrize("name", ["contiguous", "channels_last"])
def test_the_memory_order_does_not_change_what_is_drawn(name: str) -> None:
    like = ORDERS[name]
    in_memory = like.permute(0, 2, 3, 1) if name == "channels_last" else like
    for draw in DRAWS:
        torch.default_generator.manual_seed(0)
        drawn = draw(like)
        torch.default_generator.manual_seed(0)
        flat = draw(torch.empty(like.numel()))
        drawn = drawn.permute(0, 2, 3, 1) if name == "channels_last" else drawn
        assert torch.equal(drawn.reshape(in_memory.shape).flatten(), flat)


@pytest.mark.parametrize("rate", [0.0, 1e-9, 1 / 65536, 0.1, 0.3, 0.5, 0.9, 1 - 1 / 65536])
def test_masks_have_the_keep_probability_that_their_scale_divides_by(rate: float) -> None:
    torch.default_generator.manual_seed(0)
    mask = random_mask(torch.empty(1 << 20), kept_of_65536(rate))
    share = kept_of_65536(rate) / 65536
    assert abs(mask.double().mean() - share) <= 6 * math.sqrt(share * (1 - share) / mask.numel())
    ones = torch.ones(1 << 20, dtype=torch.float64)
    torch.default_generator.manual_seed(0)
    torch.testing.assert_close(dropout(Dropout(rate=rate))(ones), mask.double() / share, rtol=1e-15, atol=0)


def test_the_four_masks_of_a_random_word_are_independent() -> None:
    torch.default_generator.manual_seed(0)
    words = random_mask(torch.empty(4 << 20), 32768).view(-1, 4).long() @ torch.tensor([1, 2, 4, 8])
    counts = words.bincount(minlength=16).double()
    # Chi-squared with 15 degrees of freedom is above 52.4 once in 200,000 draws.
    assert float(((counts - (1 << 16)).square() / (1 << 16)).sum()) < 52.4


def test_noise_on_channels_last_maps_is_normal() -> None:
    torch.default_generator.manual_seed(0)
    noise = normal_like(torch.empty(64, 16, 32, 32).to(memory_format=torch.channels_last)).double()
    n = noise.numel()
    assert abs(noise.mean()) < 6 / math.sqrt(n)
    assert abs(noise.square().mean() - 1) < 6 * math.sqrt(2 / n)
    assert abs((noise**4).mean() - 3) < 6 * math.sqrt(96 / n)
    for pairs in (noise[..., 1:] * noise[..., :-1], noise[:, 1:] * noise[:, :-1], noise[1:] * noise[:-1]):
        assert abs(pairs.mean()) < 6 / math.sqrt(pairs.numel())


@pytest.mark.parametrize("spec", EXPECTED, ids=str)
def test_maps_stay_channels_last(spec: UnitDropout) -> None:
    maps = torch.randn(4, 6, 5, 7).to(memory_format=torch.channels_last)
    assert dropout(spec)(maps).stride() == maps.stride()


@pytest.mark.parametrize("spec", EXPECTED, ids=str)
def test_the_mean_over_draws_is_the_evaluation(spec: UnitDropout) -> None:
    layer, x = dropout(spec), torch.randn(1, 16, 1, 1, dtype=torch.float64)
    draws = layer(x.expand(20_000, 16, 1, 1))
    error = (draws.mean(0) - layer.eval()(x)).abs()
    assert bool((error < 6 * draws.std(0) / math.sqrt(20_000)).all())


@pytest.mark.parametrize(("spec", "times", "plus"), NOISES, ids=str)
def test_noise_has_its_variance_at_each_element_of_each_sample(spec: UnitDropout, times: float, plus: float) -> None:
    x = torch.randn(4, 5, 5, dtype=torch.float64)
    noise = dropout(spec)(x.expand(4_000, 4, 5, 5)) - x
    scaled = noise / (times * x**2 + plus).sqrt()
    # Six standard errors at most: the fourth moment of a normal variable is 3.
    assert abs(scaled.square().mean() - 1) < 6 * math.sqrt(2 / scaled.numel())
    for pairs in (scaled[..., 1:] * scaled[..., :-1], scaled[:, 1:] * scaled[:, :-1], scaled[1:] * scaled[:-1]):
        assert abs(pairs.mean()) < 6 / math.sqrt(pairs.numel())


def test_uout_changes_nothing_by_more_than_its_share() -> None:
    x = torch.randn(100_000, dtype=torch.float64)
    share = dropout(Uout(beta=0.3))(x) / x - 1
    assert share.abs().max() <= 0.3
    assert share.abs().max() > 0.299


def test_whole_channels_of_each_sample_are_zeroed_by_themselves() -> None:
    rate = 0.3
    masks = dropout(SpatialDropout(rate=rate))(torch.ones(4_000, 6, 3, 2))
    kept = masks[:, :, 0, 0] != 0
    torch.testing.assert_close(masks, (kept / keep(rate))[:, :, None, None].expand_as(masks))
    for pairs in (kept[:, 1:] & kept[:, :-1], kept[1:] & kept[:-1]):
        wanted = (1 - rate) ** 2
        assert abs(pairs.double().mean() - wanted) < 7 * math.sqrt(3 * wanted * (1 - wanted) / pairs.numel())


@pytest.mark.parametrize("spec", EXPECTED, ids=str)
def test_evaluation_is_exact(spec: UnitDropout) -> None:
    x = torch.randn(50, 3, 2, 2)
    wanted = x * keep(spec.rate) if isinstance(spec, VanillaDropout) else x
    assert torch.equal(dropout(spec).eval()(x), wanted)


@pytest.mark.parametrize("spec", NOTHING, ids=str)
def test_rate_0_is_no_layer(spec: UnitDropout) -> None:
    x, layer = torch.randn(50, 3, 2, 2), dropout(spec)
    assert torch.equal(layer(x), x)
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("spec", EXPECTED, ids=str)
def test_the_gradient_goes_through_the_same_draw(spec: UnitDropout) -> None:
    x = torch.randn(50, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    y = dropout(spec)(x)
    y.backward(torch.full_like(y, 3.0))
    assert x.grad is not None
    is_added = isinstance(spec, GaussianNoise)
    wanted = torch.full_like(x, 3.0) if is_added else 3 * y.detach() / x.detach()
    torch.testing.assert_close(x.grad, wanted)


def masks_of_a_training(document: dict[str, object]) -> list[Tensor]:
    """Trains, and returns for each step which outputs of the dropout layer were zero; after the first epoch also for
    the batch with which the gradients are measured for the verdict."""
    training = make_training({**IRIS, "early_stopping": None, "dropout": 0.5, **document})
    masks: list[Tensor] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        if layer.training:
            masks.append((outputs == 0) & (inputs[0] != 0))

    [layer] = [module for module in training.model.modules() if isinstance(module, DropoutModule)]
    layer.register_forward_hook(note)
    for _ in training.run():
        pass
    return masks


def test_each_step_has_another_mask_and_the_same_in_every_run() -> None:
    # Before the activation everything is nonzero, so the whole mask is seen.
    document: dict[str, object] = {"architecture": {"type": "mlp", "hidden": [8], "activation": "sigmoid"}}
    first = masks_of_a_training(document)
    assert len(first) == 9 + 1
    assert len({mask[:10].numpy().tobytes() for mask in first}) == 9 + 1
    assert all(map(torch.equal, first, masks_of_a_training(document)))
    assert not torch.equal(first[0], masks_of_a_training({**document, "seed": 1})[0])


class FixedMask(nn.Module):
    """Multiplies by a mask that is written out."""

    mask = torch.ones(())

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * self.mask


def logits_under_all_masks(
    model: nn.Module, hidden: list[int], inputs: Tensor, *, rate: float, scale: float
) -> tuple[Tensor, Tensor]:
    """Outputs (masks, rows, classes) of each of the 2^n thinned networks, and how probable each is."""
    stand_ins = [FixedMask() for _ in hidden]
    for number, stand_in in enumerate(stand_ins, start=1):
        model.get_submodule(f"hidden{number}").dropout = stand_in
    outputs, probabilities = [], []
    for bits in product((0.0, 1.0), repeat=sum(hidden)):
        masks = torch.split(torch.tensor(bits, dtype=torch.float64), hidden)
        for stand_in, mask in zip(stand_ins, masks, strict=True):
            stand_in.mask = mask * scale
        outputs.append(model(inputs).detach())
        probabilities.append(keep(rate) ** sum(bits) * (1 - keep(rate)) ** (len(bits) - sum(bits)))
    return torch.stack(outputs), torch.tensor(probabilities, dtype=torch.float64)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("hidden", "kind"), [([5], "dropout"), ([5], "vanilla_dropout"), ([4, 3], "dropout")], ids=str)
@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_in_a_deep_linear_network_evaluation_is_the_geometric_mean_over_all_masks(
    rate: float, hidden: list[int], kind: str, seed: int
) -> None:
    document: Document = {
        **IRIS,
        "architecture": {"type": "mlp", "hidden": hidden, "activation": "identity"},
        "dropout": {"type": kind, "rate": rate},
        "seed": seed,
    }
    model = build_model(make_small_plan(document)).double().eval()
    inputs = torch.randn(6, 4, dtype=torch.float64)
    weight_scaled = model(inputs).softmax(1).detach()
    outputs, probabilities = logits_under_all_masks(
        model, hidden, inputs, rate=rate, scale=kept_value(KIND_OF[kind](rate=rate))
    )
    # prod over masks of p(y)^probability, brought to a sum of 1.
    logs = (outputs.log_softmax(2) * probabilities[:, None, None]).sum(0)
    ensemble = logs.exp() / logs.exp().sum(1, keepdim=True)
    assert float(probabilities.sum()) == pytest.approx(1)
    assert float(outputs.std(0).max()) > 0.01
    torch.testing.assert_close(weight_scaled, ensemble, rtol=1e-10, atol=1e-12)


def test_with_relu_between_the_layers_it_is_only_near() -> None:
    document: Document = {**IRIS, "architecture": {"type": "mlp", "hidden": [4, 3]}, "dropout": 0.5, "seed": 1}
    model = build_model(make_small_plan(document)).double().eval()
    inputs = 5 * torch.randn(6, 4, dtype=torch.float64)
    weight_scaled = model(inputs).softmax(1).detach()
    outputs, probabilities = logits_under_all_masks(model, [4, 3], inputs, rate=0.5, scale=2.0)
    ensemble = (outputs.log_softmax(2) * probabilities[:, None, None]).sum(0).softmax(1)
    assert float((weight_scaled - ensemble).abs().max()) > 1e-4
