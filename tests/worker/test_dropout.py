"""Dropout: masks, their expectation, their gradient, and when they are drawn."""

import math

import pytest
import torch
from torch import Tensor, nn

from bakehouse.recipe.dropout import AnyDropout, Dropout, VanillaDropout
from tests.worker.tiny import FLOWERS, training_of
from worker.dropout import dropout

RATES = [0.1, 0.5, 0.9]
KINDS: list[type[Dropout] | type[VanillaDropout]] = [Dropout, VanillaDropout]


def kept_value(spec: AnyDropout) -> float:
    """What a mask multiplies by where it does not zero."""
    return 1 / (1 - spec.rate) if isinstance(spec, Dropout) else 1.0


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


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_over_masks_is_the_evaluation(kind: type[Dropout], rate: float) -> None:
    layer, x = dropout(kind(rate=rate)), torch.randn(16, dtype=torch.float64)
    draws = layer(x.expand(20_000, 16))
    error = (draws.mean(0) - layer.eval()(x)).abs()
    assert bool((error < 6 * draws.std(0) / math.sqrt(20_000)).all())


def test_the_two_kinds_evaluate_exactly() -> None:
    x = torch.randn(50)
    assert torch.equal(dropout(Dropout(rate=0.3)).eval()(x), x)
    assert torch.equal(dropout(VanillaDropout(rate=0.3)).eval()(x), x * 0.7)


@pytest.mark.parametrize("kind", KINDS)
def test_rate_0_is_no_layer(kind: type[Dropout]) -> None:
    x, layer = torch.randn(50), dropout(kind(rate=0.0))
    assert torch.equal(layer(x), x)
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_goes_through_the_same_mask(kind: type[Dropout]) -> None:
    x = torch.randn(50, requires_grad=True)
    y = dropout(kind(rate=0.5))(x)
    y.backward(torch.full_like(y, 3.0))
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x.detach(), 3 * y.detach())


def masks_of_a_training(document: dict[str, object]) -> list[Tensor]:
    """Which outputs of the dropout layer were zero, by step."""
    training = training_of({**FLOWERS, "early_stopping": None, "dropout": 0.5, **document})
    masks: list[Tensor] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        if layer.training:
            masks.append((outputs == 0) & (inputs[0] != 0))

    [layer] = [module for module in training.model.modules() if isinstance(module, nn.Dropout)]
    layer.register_forward_hook(note)
    for _ in training.run():
        pass
    return masks


def test_each_step_has_a_mask_of_its_own_and_the_same_in_every_run() -> None:
    # Before the activation everything is nonzero, so the whole mask is seen.
    document: dict[str, object] = {"architecture": {"type": "mlp", "hidden": [8], "activation": "sigmoid"}}
    first = masks_of_a_training(document)
    assert len(first) == 9
    assert len({mask[:10].numpy().tobytes() for mask in first}) == 9
    assert all(map(torch.equal, first, masks_of_a_training(document)))
    assert not torch.equal(first[0], masks_of_a_training({**document, "seed": 1})[0])
