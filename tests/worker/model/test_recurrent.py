"""Recurrent layers against loops written in NumPy, and against torch's own."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakehouse.plan.layers import Recurrent
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, GroupNorm, LayerNorm, NormLayer
from tests.small_trainings import epochs_of, make_training, resume_to_end, run_to_end, stop_after
from worker.model.build import build
from worker.model.modules import RowsAsSteps
from worker.model.modules.recurrent import NormalizedCell
from worker.training.regularizer import parameter_groups

Array = NDArray[np.float64]

ROWS, STEPS, NUMBERS, HIDDEN = 3, 5, 4, 6
CELLS = ("elman", "gru", "lstm")
NORMS: dict[str, NormLayer] = {
    "layer_norm": LayerNorm(eps=1e-3),
    "without a shift": LayerNorm(elementwise_affine=False),
    "group_norm": GroupNorm(num_groups=2),
    "batch_norm": BatchNorm(),
    "batch_norm without a shift": BatchNorm(affine=False),
}


def planned(cell: Any, norm: NormLayer | None, *, activation: Any = "tanh", gives_last: bool = False) -> Recurrent:
    """A small layer."""
    return Recurrent(cell, (STEPS, NUMBERS), HIDDEN, activation, norm, gives_last)


def built(layer: Recurrent) -> nn.Module:
    """The layer in float64, with numbers that no initialisation gives."""
    module = build(layer).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return module


def inputs() -> Tensor:
    """A batch of sequences."""
    return torch.randn(ROWS, STEPS, NUMBERS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def standardized(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    """(x - mean) / sqrt(var + eps) over some axes."""
    return np.asarray((x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps))


class Cell:
    """The weights and norms of a layer, as arrays."""

    def __init__(self, layer: Recurrent, module: nn.Module) -> None:
        self.layer = layer
        self.numbers = {name: value.detach().numpy() for name, value in module.state_dict().items()}
        self.bias = self.numbers.get("bias_ih_l0", np.zeros(1))

    def norm(self, name: str, x: Array) -> Array:
        """(rows, numbers) or (rows, steps, numbers) after one of the cell's norms, if the cell has it."""
        spec = dict(self.layer.norms)[name].spec if name in dict(self.layer.norms) else None
        match spec:
            case LayerNorm():
                x = standardized(x, (-1,), spec.eps)
            case GroupNorm():
                grouped = x.reshape(*x.shape[:-1], spec.num_groups, -1)
                x = standardized(grouped, (-1,), spec.eps).reshape(x.shape)
            case BatchNorm():
                x = standardized(x, (0, 1), spec.eps)
            case _:
                pass
        return np.asarray(x * self.numbers.get(f"{name}.weight", 1.0) + self.numbers.get(f"{name}.bias", 0.0))

    def states(self, x: Array) -> Array:
        """All states, step by step from zero."""
        from_inputs = x @ self.numbers["weight_ih_l0"].T
        hidden, memory = np.zeros((2, len(x), HIDDEN))
        states = []
        for step in range(x.shape[1]):
            own = hidden @ self.numbers["weight_hh_l0"].T
            hidden, memory = getattr(self, self.layer.cell)(from_inputs, step, own, hidden, memory)
            states.append(hidden)
        return np.stack(states, 1)

    def elman(self, from_inputs: Array, step: int, own: Array, _: Array, memory: Array) -> tuple[Array, Array]:
        """f(LN(W x + U h) + b), f(BN(W x) + U h + b)."""
        summed = self.norm("norm_ih", from_inputs)[:, step] + own
        f = np.tanh if self.layer.activation == "tanh" else lambda x: np.maximum(x, 0)
        return f(self.norm("norm", summed) + self.bias), memory

    def gru(self, from_inputs: Array, step: int, own: Array, hidden: Array, memory: Array) -> tuple[Array, Array]:
        """Reset, update and candidate."""
        bias = np.broadcast_to(self.bias, 3 * HIDDEN)
        gates = self.norm("norm_ih", from_inputs[..., : 2 * HIDDEN])[:, step] + bias[: 2 * HIDDEN]
        new = self.norm("norm_in", from_inputs[..., 2 * HIDDEN :])[:, step] + bias[2 * HIDDEN :]
        gates = sigmoid(gates + self.norm("norm_hh", own[:, : 2 * HIDDEN]))
        reset, update = gates[:, :HIDDEN], gates[:, HIDDEN:]
        candidate = np.tanh(new + reset * self.norm("norm_hn", own[:, 2 * HIDDEN :]))
        return (1 - update) * candidate + update * hidden, memory

    def lstm(self, from_inputs: Array, step: int, own: Array, _: Array, memory: Array) -> tuple[Array, Array]:
        """Input, forget, new and output."""
        summed = self.norm("norm_ih", from_inputs)[:, step] + self.norm("norm_hh", own) + self.bias
        i, f, g, o = np.split(summed, 4, axis=1)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(self.norm("norm_c", memory)), memory


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("cell", [*CELLS, "elman with relu"])
def test_a_cell_with_norms_is_the_formula(cell: str, name: str) -> None:
    cell, activation = ("elman", "relu") if " " in cell else (cell, "tanh")
    layer = planned(cell, NORMS[name], activation=activation)
    module = built(layer)
    expected = Cell(layer, module).states(inputs().numpy())
    np.testing.assert_allclose(module(inputs()).detach().numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("cell", "activation"), [("elman", "relu"), *((cell, "tanh") for cell in CELLS)])
def test_without_its_norms_a_cell_is_torchs_own(cell: str, activation: str) -> None:
    ours = built(planned(cell, NORMS["without a shift"], activation=activation))
    torchs = built(planned(cell, None, activation=activation))
    for name in dict(planned(cell, NORMS["without a shift"]).norms):
        delattr(ours, name)
    ours.load_state_dict({name: torchs.state_dict()[name] for name in ours.state_dict()})
    torchs.get_parameter("bias_hh_l0").data.zero_()
    torch.testing.assert_close(ours(inputs()), torchs(inputs()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("cell", "name"), list(product(CELLS, [None, *NORMS])))
def test_the_last_state_is_the_last_of_all(cell: str, name: str | None) -> None:
    norm = None if name is None else NORMS[name]
    states = built(planned(cell, norm))(inputs())
    last = built(planned(cell, norm, gives_last=True))(inputs())
    assert states.shape == (ROWS, STEPS, HIDDEN)
    assert torch.equal(last, states[:, -1])


@pytest.mark.parametrize(("cell", "name"), list(product(CELLS, NORMS)))
def test_gradients_are_those_of_finite_differences(cell: Any, name: str) -> None:
    module = built(Recurrent(cell, (3, 2), 4, "tanh", NORMS[name], gives_last=True))
    names, values = zip(*module.named_parameters(), strict=True)

    def states(x: Tensor, *parameters: Tensor) -> Tensor:
        result: Tensor = torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,))
        return result

    # Moving averages move with every call, and are not looked at in training.
    assert torch.autograd.gradcheck(states, (inputs()[:, :3, :2].clone().requires_grad_(), *values))


@pytest.mark.parametrize("cell", CELLS)
def test_batch_norm_evaluates_with_the_averages_over_rows_and_steps(cell: str) -> None:
    layer = planned(cell, BatchNorm(momentum=1.0, affine=False))
    module = built(layer)
    module(inputs())
    from_inputs = (inputs() @ module.get_parameter("weight_ih_l0").T).detach().numpy()
    means = torch.cat([module.get_buffer(f"{name}.running_mean") for name, _ in layer.norms])
    variances = torch.cat([module.get_buffer(f"{name}.running_var") for name, _ in layer.norms])
    np.testing.assert_allclose(means.numpy(), from_inputs.mean((0, 1)))
    np.testing.assert_allclose(variances.numpy(), from_inputs.var((0, 1), ddof=0) * 15 / 14)
    whole = module.eval()(inputs())
    torch.testing.assert_close(module(inputs()[:1]), whole[:1])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("norm", [LayerNorm(), GroupNorm(num_groups=2)])
def test_norms_of_a_row_and_step_look_at_nothing_else(cell: str, norm: NormLayer) -> None:
    module = built(planned(cell, norm))
    states = module(inputs())
    torch.testing.assert_close(module(inputs()[1:2]), states[1:2])
    torch.testing.assert_close(module(inputs()[:, :3]), states[:, :3])
    torch.testing.assert_close(module.eval()(inputs()), states)


@pytest.mark.parametrize("cell", CELLS)
def test_batch_renorm_begins_as_batch_norm(cell: str) -> None:
    ours, plain = (built(planned(cell, norm)) for norm in (BatchRenorm(), BatchNorm()))
    torch.testing.assert_close(ours(inputs()), plain(inputs()))


@pytest.mark.parametrize(("cell", "name"), list(product(CELLS, [None, "layer_norm", "batch_norm without a shift"])))
def test_weights_begin_as_torchs_do(cell: Any, name: str | None) -> None:
    module = build(Recurrent(cell, (3, 40), 100, "tanh", None if name is None else NORMS[name], gives_last=True))
    for parameter in (value for key, value in module.named_parameters() if "norm" not in key):
        assert -0.1 <= parameter.min() < -0.08
        assert 0.08 < parameter.max() <= 0.1


def test_a_pictures_rows_of_pixels_are_steps_with_all_channels() -> None:
    images = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    steps = RowsAsSteps()(images)
    assert steps.shape == (2, 4, 15)
    assert steps[1, 2].tolist() == images[1, :, 2].flatten().tolist()


@pytest.mark.parametrize("cell", CELLS)
def test_in_16_bits_the_state_stays_in_32(cell: str) -> None:
    module = build(planned(cell, LayerNorm()))
    assert isinstance(module, NormalizedCell)
    x = inputs().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = module(x)
    torch.testing.assert_close(states.float(), module(x), atol=0.03, rtol=0.03)
    assert module.first_state(2).dtype == torch.float32


@pytest.mark.parametrize(("cell", "norm"), list(product(CELLS, [None, "group_norm", "batch_norm"])))
def test_killed_in_the_middle_it_ends_with_the_same_bits(cell: str, norm: str | None) -> None:
    document = {
        "dataset": {"id": "digits_sequence", "validation_fraction": 0.9},
        "architecture": {"type": "rnn", "cell": cell, "hidden_size": 16, "num_layers": 2},
        "norm": norm,
        "dropout": 0.2,
        "regularizer": "gradient_clip",
        "epochs": 2,
    }
    assert resume_to_end(document, *stop_after(document, 5)) == run_to_end(make_training(document))


@pytest.mark.parametrize("dataset", ["digits", "digits_sequence"])
def test_rows_of_pixels_are_learnt_as_pictures_and_as_sequences(dataset: str) -> None:
    recipe = {"dataset": dataset, "architecture": {"type": "rnn", "cell": "gru"}, "norm": "layer_norm", "epochs": 3}
    assert [epoch.metrics["validation_accuracy"] for epoch in epochs_of(make_training(recipe))][-1] > 0.7


def test_biases_of_recurrent_layers_are_biases() -> None:
    training = make_training({"dataset": "digits_sequence", "architecture": "rnn"})
    assert [len(group) for group in parameter_groups(training.plan.root, training.model).values()] == [3, 3, 0]
    training = make_training({"dataset": "digits_sequence", "architecture": "rnn", "norm": "layer_norm"})
    assert [len(group) for group in parameter_groups(training.plan.root, training.model).values()] == [3, 1, 6]
