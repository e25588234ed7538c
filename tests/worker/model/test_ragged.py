"""Recurrent layers over ragged sequences, against the same layers over one sequence at a time."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bakehouse.plan.layers import Recurrent
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, GroupNorm, LayerNorm, NormLayer, RmsNorm
from tests.worker.model.test_recurrent import CELLS, HIDDEN, NUMBERS, built

LENGTHS = (3, 6, 1, 6, 4)
ROW_NORMS: dict[str, NormLayer | None] = {
    "none": None,
    "layer_norm": LayerNorm(),
    "without a shift": LayerNorm(elementwise_affine=False),
    "group_norm": GroupNorm(num_groups=2),
    "rms_norm": RmsNorm(),
}
BATCH_NORMS: dict[str, NormLayer] = {"batch_norm": BatchNorm(), "batch_renorm": BatchRenorm()}
CELLS_AND_NORMS = list(product([*CELLS, "elman with relu"], ROW_NORMS))


def planned(cell: Any, norm: NormLayer | None, *, gives_last: bool, is_ragged: bool = True) -> Recurrent:
    cell, activation = ("elman", "relu") if " " in cell else (cell, "tanh")
    return Recurrent(cell, (max(LENGTHS), NUMBERS), HIDDEN, activation, norm, gives_last, is_ragged)  # type: ignore[arg-type]


def sequences() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, NUMBERS, dtype=torch.float64, generator=generator) for length in LENGTHS]


def padded(rows: list[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=float("nan"))


def alone(module: nn.Module, rows: list[Tensor]) -> list[Tensor]:
    """The outputs for one sequence at a time."""
    return [module(row[None])[0] for row in rows]


def gradients(module: nn.Module, outputs: list[Tensor], rows: list[Tensor]) -> list[Tensor]:
    """The gradients of an uneven sum of the outputs, for weights and inputs."""
    total = torch.stack([(out * torch.arange(1, out.numel() + 1).view_as(out)).sum() for out in outputs]).sum()
    return list(torch.autograd.grad(total, [*module.parameters(), *rows]))


@pytest.mark.parametrize("gives_last", [False, True])
@pytest.mark.parametrize(("cell", "name"), CELLS_AND_NORMS)
def test_a_padded_batch_is_one_sequence_at_a_time(cell: str, name: str, *, gives_last: bool) -> None:
    module = built(planned(cell, ROW_NORMS[name], gives_last=gives_last))
    rows = [row.requires_grad_() for row in sequences()]
    found = module(padded(rows))
    if not gives_last:
        assert all(out[length:].isnan().all() for out, length in zip(found, LENGTHS, strict=True))
        found = [out[:length] for out, length in zip(found, LENGTHS, strict=True)]
    expected = alone(module, rows)
    torch.testing.assert_close(list(found), expected)
    torch.testing.assert_close(gradients(module, list(found), rows), gradients(module, expected, rows))


@pytest.mark.parametrize(("cell", "name"), list(product(CELLS, BATCH_NORMS)))
def test_batch_statistics_are_those_of_the_real_steps(cell: str, name: str) -> None:
    module = built(planned(cell, BATCH_NORMS[name], gives_last=True))
    found = module(padded(sequences()))
    from_inputs = torch.cat(sequences()).numpy() @ module.get_parameter("weight_ih_l0").detach().numpy().T
    start = 0
    for norm_name, _ in planned(cell, BATCH_NORMS[name], gives_last=True).norms:
        norm: Any = module.get_submodule(norm_name)
        steps = from_inputs[:, start : start + len(norm.running_mean)]
        start += len(norm.running_mean)
        norm.running_mean.copy_(torch.from_numpy(steps.mean(0)))
        if name == "batch_renorm":
            norm.running_std.copy_(torch.from_numpy(np.sqrt(steps.var(0) + norm.eps)))
        else:
            norm.running_var.copy_(torch.from_numpy(steps.var(0)))
    assert start == from_inputs.shape[1]
    # With the statistics that NumPy finds in the real steps, evaluation of one sequence gives what training gave.
    torch.testing.assert_close(list(found), alone(module.eval(), sequences()))


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_through_batch_statistics_are_those_of_finite_differences(cell: str) -> None:
    module = built(planned(cell, BatchNorm(), gives_last=True))
    names, values = zip(*module.named_parameters(), strict=True)

    def states(*parameters: Tensor) -> Tensor:
        weights = dict(zip(names, parameters[: len(names)], strict=True))
        result: Tensor = torch.func.functional_call(module, weights, (padded(list(parameters[len(names) :])),))
        return result

    assert torch.autograd.gradcheck(states, (*values, *(row.requires_grad_() for row in sequences()[:3])))


@pytest.mark.parametrize(("cell", "name"), list(product(CELLS, [*ROW_NORMS, *BATCH_NORMS])))
def test_sequences_of_one_length_give_what_layers_without_padding_give(cell: str, name: str) -> None:
    norm = {**ROW_NORMS, **BATCH_NORMS}[name]
    rows = torch.stack([row for row in sequences() if len(row) == max(LENGTHS)]).requires_grad_()
    for gives_last in (False, True):
        ragged, plain = (built(planned(cell, norm, gives_last=gives_last, is_ragged=each)) for each in (True, False))
        torch.testing.assert_close(ragged(rows), plain(rows))
        torch.testing.assert_close(gradients(ragged, [ragged(rows)], [rows]), gradients(plain, [plain(rows)], [rows]))


def test_weights_that_diverged_give_nan_in_every_layer() -> None:
    first = built(planned("gru", None, gives_last=False))
    second = built(Recurrent("gru", (max(LENGTHS), HIDDEN), HIDDEN, "tanh", None, gives_last=True, is_ragged=True))
    assert not second(first(padded(sequences()))).isnan().any()
    first.get_parameter("bias_ih_l0").data.fill_(float("nan"))
    assert second(first(padded(sequences()))).isnan().all()
