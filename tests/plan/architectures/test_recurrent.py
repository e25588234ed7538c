"""Recurrent networks: layers, sizes, and the exported script."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bakehouse.plan.layers import Dropout, Recurrent, walk
from bakehouse.plan.script import pytorch_code
from bakehouse.recipe.problems import RecipeInvalid
from tests.plan.cards import Document, image_card, planned, sequence_card
from tests.plan.test_script import disturbed, run_script
from worker.model.build import build_model

CELLS = ("elman", "gru", "lstm")
NORMS: tuple[Any, ...] = (
    None,
    "layer_norm",
    "group_norm",
    "batch_norm",
    "batch_renorm",
    {"type": "layer_norm", "elementwise_affine": False},
    {"type": "batch_norm", "affine": False, "eps": 0.01},
)


def rnn(cell: str, norm: Any = None, **fields: Any) -> Document:
    """A recipe for sequences."""
    return {"architecture": {"type": "rnn", "cell": cell, "hidden_size": 16, **fields}, "norm": norm}


def test_layers_and_their_shapes() -> None:
    dropout = [{"type": "dropout", "placement": placement} for placement in ("input", "hidden", "classifier")]
    plan = planned({**rnn("lstm", num_layers=3), "dropout": dropout}, sequence_card())
    shapes = {name: (layer.input, layer.output) for name, layer in walk(plan.root)}
    assert shapes == {
        "normalize": ((12, 5), (12, 5)),
        "dropout": ((12, 5), (12, 5)),
        "layer1.recurrent": ((12, 5), (12, 16)),
        "layer1.dropout": ((12, 16), (12, 16)),
        "layer2.recurrent": ((12, 16), (12, 16)),
        "layer2.dropout": ((12, 16), (12, 16)),
        "layer3.recurrent": ((12, 16), (16,)),
        "layer3.dropout": ((16,), (16,)),
        "dropout2": ((16,), (16,)),
        "head": ((16,), (4,)),
    }


@pytest.mark.parametrize(
    ("cell", "norm", "inner"),
    [
        ("elman", "layer_norm", {"norm": 16}),
        ("gru", "group_norm", {"norm_ih": 32, "norm_hh": 32, "norm_in": 16, "norm_hn": 16}),
        ("lstm", "layer_norm", {"norm_ih": 64, "norm_hh": 64, "norm_c": 16}),
        ("elman", "batch_norm", {"norm_ih": 16}),
        ("gru", "batch_renorm", {"norm_ih": 32, "norm_in": 16}),
        ("lstm", "batch_norm", {"norm_ih": 64}),
    ],
)
def test_norms_follow_the_layer_that_they_are_in(cell: str, norm: str, inner: dict[str, int]) -> None:
    plan = planned(rnn(cell, norm), sequence_card())
    found = [(name, layer.output) for name, layer in walk(plan.root)][1:-1]
    expected = [(f"layer1.recurrent.{name}", (size,)) for name, size in inner.items()]
    assert found == [("layer1.recurrent", (16,)), *expected]


def test_a_picture_is_a_sequence_of_its_rows_of_pixels() -> None:
    plan = planned(rnn("gru"), image_card(channels=3, side=8))
    layers = dict(walk(plan.root))
    assert layers["rows"].output == layers["layer1.recurrent"].input == (8, 24)


@pytest.mark.parametrize("dropout", ["dropout", "vanilla_dropout", "gaussian_dropout", "uout", "gaussian_noise"])
def test_dropout_is_hidden_by_default(dropout: str) -> None:
    plan = planned({**rnn("lstm", num_layers=2), "dropout": dropout}, sequence_card())
    assert plan.recipe.dropout[0].placement == "hidden"
    assert sum(isinstance(layer, Dropout) for _, layer in walk(plan.root)) == 2


@pytest.mark.parametrize("architecture", ["linear", "mlp"])
def test_other_networks_take_a_sequence_as_one_row(architecture: str) -> None:
    plan = planned({"architecture": architecture}, sequence_card())
    assert dict(walk(plan.root))["flatten"].output == (60,)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_gates_have_tanh(cell: str) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        planned(rnn(cell, activation="relu"), sequence_card())
    assert f"{cell} uses tanh" in refused.value.problems[0].message


@pytest.mark.parametrize(("cell", "norm"), list(product(CELLS, NORMS)))
def test_the_script_loads_the_weights_and_computes_the_same(cell: str, norm: Any, tmp_path: Path) -> None:
    plan = planned(rnn(cell, norm, num_layers=2), sequence_card())
    model = disturbed(plan)
    loaded = run_script(plan, tmp_path, model.state_dict())
    x = torch.randn(3, 12, 5, generator=torch.Generator().manual_seed(1))
    assert list(loaded.state_dict()) == list(model.state_dict())
    assert sum(weight.numel() for weight in loaded.parameters()) == plan.estimate.parameters
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))


def test_the_script_knows_pictures_and_relu(tmp_path: Path) -> None:
    plan = planned(rnn("elman", activation="relu"), image_card(side=8))
    model = disturbed(plan)
    x = torch.rand(3, 3, 8, 8)
    assert "Elman(24, 16, gives_last=True, nonlinearity='relu')" in pytorch_code(plan)
    with torch.no_grad():
        assert torch.equal(run_script(plan, tmp_path, model.state_dict())(x), model(x))


@pytest.mark.parametrize("cell", CELLS)
def test_arithmetic_of_weights_is_what_torch_counts(cell: str) -> None:
    """Counts cells with norms, whose products torch sees one by one; the estimate of torch's own cells is the same."""
    plan = planned(rnn(cell, "layer_norm"), sequence_card())
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        build_model(plan).eval()(torch.rand(1, 12, 5))
    [layer] = [layer for _, layer in walk(plan.root) if isinstance(layer, Recurrent)]
    products = 2 * 12 * layer.gates * (5 + 16)
    assert products + 2 * 16 * 4 == counter.get_total_flops()
    assert products <= layer.flops <= 2 * products
    plain = planned(rnn(cell), sequence_card())
    assert products <= plain.estimate.flops_per_sample < plan.estimate.flops_per_sample


def test_memory_grows_with_steps_layers_and_norms() -> None:
    small = planned(rnn("lstm"), sequence_card()).estimate.memory_bytes
    assert small < planned(rnn("lstm"), sequence_card(steps=24)).estimate.memory_bytes
    assert small < planned(rnn("lstm", num_layers=2), sequence_card()).estimate.memory_bytes
    assert small < planned(rnn("lstm", "layer_norm"), sequence_card()).estimate.memory_bytes
    assert small > planned(rnn("gru"), sequence_card()).estimate.memory_bytes
