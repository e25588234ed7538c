"""Models as torch modules: the layers that torch does not have, and where initial weights come from."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bakehouse.plan.layers import Conv, Pool
from bakehouse.recipe.problems import RecipeInvalid
from tests.plan.cards import image_card
from tests.plan.cards import planned as planned_for
from tests.small_trainings import DIABETES, DIGITS_CNN, Document, make_small_plan, make_training
from worker.model.build import build, build_model
from worker.model.modules import Denormalize, DenseConcat, Maxout, MeanOverMap, Normalize, Residual, Subsample


def test_a_shortcut_takes_every_second_pixel_and_pads_channels_with_zeros() -> None:
    x = torch.randn(2, 3, 5, 4)
    y = Subsample(2, 4)(x)
    assert y.shape == (2, 7, 3, 2)
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2])
    assert not y[:, 3:].any()


def test_a_residual_is_a_sum() -> None:
    x, body = torch.randn(4, 3), nn.Linear(3, 3)
    torch.testing.assert_close(Residual(body)(x), body(x) + x)
    torch.testing.assert_close(Residual(body, nn.Tanh())(x), body(x) + x.tanh())


def test_a_concatenation_has_its_input_first() -> None:
    x, body = torch.randn(2, 3, 5, 4), nn.Conv2d(3, 2, 1)
    torch.testing.assert_close(DenseConcat(body)(x)[:, :3], x)
    torch.testing.assert_close(DenseConcat(body)(x)[:, 3:], body(x))


def test_groups_of_channels_are_convolved_apart() -> None:
    conv = build(Conv((4, 6, 5), (6, 6, 5), 3, bias=False, groups=2)).double()
    assert isinstance(conv, nn.Conv2d)
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    apart = [functional.conv2d(x[:, 2 * n : 2 * n + 2], conv.weight[3 * n : 3 * n + 3], padding=1) for n in (0, 1)]
    torch.testing.assert_close(conv(x), torch.cat(apart, 1))


def test_average_pooling_is_the_mean_of_four_pixels() -> None:
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    expected = x.numpy()[:, :, :4].reshape(2, 3, 2, 2, 2, 2).mean((3, 5))
    np.testing.assert_allclose(build(Pool("average", (3, 5, 4)))(x).numpy(), expected)


def test_maxout_is_the_largest_of_neighbouring_pieces() -> None:
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    expected = np.stack([x.numpy()[:, 0:3].max(1), x.numpy()[:, 3:6].max(1)], 1)
    np.testing.assert_array_equal(Maxout(3)(x).numpy(), expected)
    np.testing.assert_array_equal(Maxout(3)(x[:, :, 0, 0]).numpy(), expected[:, :, 0, 0])
    assert torch.autograd.gradcheck(Maxout(2), x.requires_grad_())


def test_a_fitnet_ends_with_the_maximum_over_the_map() -> None:
    x = torch.randn(2, 3, 5, 4)
    np.testing.assert_array_equal(build(Pool("global_max", (3, 5, 4)))(x).numpy(), x.numpy().max((2, 3)))


def test_pooling_over_the_map_is_its_mean() -> None:
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    np.testing.assert_allclose(MeanOverMap()(x).numpy(), x.numpy().mean((2, 3)))


def test_units_are_converted_by_buffers() -> None:
    normalize, denormalize = Normalize((2,)), Denormalize()
    normalize.load_state_dict({"shift": torch.tensor([1.0, 2.0]), "scale": torch.tensor([10.0, 0.0])})
    denormalize.load_state_dict({"mean": torch.tensor(5.0), "std": torch.tensor(2.0)})
    assert normalize(torch.tensor([[3, 4]], dtype=torch.uint8)).tolist() == [[20.0, 0.0]]
    assert denormalize(torch.tensor([[3.0]])).tolist() == [[11.0]]


@pytest.mark.parametrize("normalization", ["standardize", "whiten"])
def test_a_model_in_double_precision_gives_double_precision(normalization: str) -> None:
    plan = make_small_plan({**DIGITS_CNN, "dataset": {"id": "digits", "normalization": normalization}})
    model, pictures = build_model(plan).eval(), torch.arange(128, dtype=torch.uint8).view(2, 1, 8, 8)
    single = model(pictures)
    double = model.double()(pictures)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(double.float(), single, rtol=1e-4, atol=1e-4)


def test_the_recipes_seed_alone_decides_the_initial_weights() -> None:
    first = build_model(make_small_plan(DIGITS_CNN)).state_dict()
    torch.manual_seed(77)
    again = build_model(make_small_plan({**DIGITS_CNN, "batch_size": 32})).state_dict()
    other = build_model(make_small_plan({**DIGITS_CNN, "seed": 1})).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_a_model_takes_stored_units_and_answers_in_the_datas_units() -> None:
    training = make_training(DIABETES)
    training.model.eval()
    with torch.inference_mode():
        whole = training.model(training.data.test.inputs)
        core = training.take_step.trained_layers(training.model[0](training.data.test.inputs))
    torch.testing.assert_close(whole, core * training.data.units[0].std + training.data.units[0].mean)


SMALL_PICTURES = [(1, 1, 1), (3, 1, 2), (1, 2, 2), (1, 3, 3), (1, 2, 9), (2, 4, 4)]
CONVOLUTIONAL: list[Document] = [
    *[{"type": "cnn", "channels": [4] * stages, "hidden": [4], "kernel_size": side}
      for stages, side in product((1, 2), (1, 3, 5, 7))],
    *[{"type": "fitnet", "stages": [[4]] * stages, "hidden": 4} for stages in (1, 3)],
    {"type": "resnet", "depth": 8},
    {"type": "preresnet", "depth": 11, "block": "bottleneck"},
    {"type": "wide_resnet", "depth": 10, "width": 1},
    {"type": "resnext", "depth": 11, "cardinality": 2, "width": 2},
    {"type": "densenet", "depth": 10, "growth_rate": 2},
    {"type": "rnn", "hidden_size": 4},
]  # fmt: skip


@pytest.mark.parametrize("norm", ["none", "batch_norm", "instance_norm", "cross_iteration_batch_norm"])
@pytest.mark.parametrize("shape", SMALL_PICTURES, ids=str)
def test_a_picture_smaller_than_a_filter_is_refused_with_a_pointer_or_trains(
    shape: tuple[int, int, int], norm: str
) -> None:
    card = image_card().model_copy(update={"shape": shape})
    pictures = torch.randint(0, 256, (4, *shape), dtype=torch.uint8)
    taken, pointers = 0, set()
    for architecture in CONVOLUTIONAL:
        try:
            model = build_model(planned_for({"architecture": architecture, "norm": norm}, card))
        except RecipeInvalid as refused:
            pointers |= {problem.pointer for problem in refused.problems}
            continue
        taken += 1
        model(pictures).sum().backward()
        assert model.eval()(pictures).shape == (4, 10)
    assert pointers <= {"/architecture/channels", "/architecture/stages", "/architecture/type", "/norm/type"}
    assert taken >= (1 if norm in ("none", "batch_norm") else 0)
