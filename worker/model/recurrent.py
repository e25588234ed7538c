"""Recurrent layers in torch: its own where there is no norm, else a loop over the steps."""

from collections.abc import Iterator
from math import sqrt
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from bakehouse.plan import layers as plan
from worker.model.norm import norm


def recurrent(layer: plan.Recurrent) -> nn.Module:
    """(N, steps, numbers) to the states (N, steps, hidden) or the last state (N, hidden)."""
    if layer.norm is not None:
        return NormalizedRecurrence(layer)
    match layer.cell:
        case "elman":
            return Elman(layer)
        case "gru":
            return Gru(layer)
        case "lstm":
            return Lstm(layer)
        case _:
            assert_never(layer.cell)


class Elman(nn.RNN):
    """h' = f(W x + b + U h + c). Elman 1990."""

    def __init__(self, layer: plan.Recurrent) -> None:
        super().__init__(layer.input[1], layer.hidden_size, nonlinearity=layer.activation, batch_first=True)
        self.gives_last = layer.gives_last

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return given(super().forward(inputs)[0], self.gives_last)


class Gru(nn.GRU):
    """h' = (1 - z) n + z h. Cho et al. 2014, arXiv 1406.1078."""

    def __init__(self, layer: plan.Recurrent) -> None:
        super().__init__(layer.input[1], layer.hidden_size, batch_first=True)
        self.gives_last = layer.gives_last

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return given(super().forward(inputs)[0], self.gives_last)


class Lstm(nn.LSTM):
    """c' = f c + i g, h' = o tanh(c'). Hochreiter & Schmidhuber 1997."""

    def __init__(self, layer: plan.Recurrent) -> None:
        super().__init__(layer.input[1], layer.hidden_size, batch_first=True)
        self.gives_last = layer.gives_last

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return given(super().forward(inputs)[0], self.gives_last)


def given(states: Tensor, gives_last: bool) -> Tensor:
    """All states, or the last."""
    return states[:, -1] if gives_last else states


class NormalizedRecurrence(nn.Module):
    """A cell with norms on its summed inputs, of which each step of each row is a sample. Ba et al. 2016, arXiv
    1607.06450, equation 4 and appendix; batch norm on W x alone: Laurent et al. 2016, arXiv 1510.01378."""

    def __init__(self, layer: plan.Recurrent) -> None:
        super().__init__()
        self.layer = layer
        self.weight_ih_l0 = nn.Parameter(torch.empty(layer.gates, layer.input[1]))
        self.weight_hh_l0 = nn.Parameter(torch.empty(layer.gates, layer.hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(layer.gates)) if layer.biases else None
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / sqrt(layer.hidden_size), 1 / sqrt(layer.hidden_size))
        for name, inner in layer.norms:
            self.add_module(name, norm(inner))

    def forward(self, inputs: Tensor) -> Tensor:
        states = list(self.states(functional.linear(inputs, self.weight_ih_l0)))
        return states[-1] if self.layer.gives_last else torch.stack(states, 1)

    def states(self, from_inputs: Tensor) -> Iterator[Tensor]:
        """The state after each step, from W x of all steps."""
        match self.layer.cell:
            case "elman":
                return self.elman(from_inputs)
            case "gru":
                return self.gru(from_inputs)
            case "lstm":
                return self.lstm(from_inputs)
            case _:
                assert_never(self.layer.cell)

    def elman(self, from_inputs: Tensor) -> Iterator[Tensor]:
        """h' = f(LN(W x + U h) + b)."""
        activation = torch.tanh if self.layer.activation == "tanh" else torch.relu
        hidden = self.start(len(from_inputs))
        for step in self.normed("norm_ih", from_inputs).unbind(1):
            hidden = activation(self.shifted(self.normed("norm", step + self.from_state(hidden))))
            yield hidden

    def gru(self, from_inputs: Tensor) -> Iterator[Tensor]:
        """r, z = sigmoid(LN(W x) + LN(U h) + b), n = tanh(LN(W_n x) + b_n + r LN(U_n h)), h' = (1 - z) n + z h."""
        sizes = [2 * self.layer.hidden_size, self.layer.hidden_size]
        gates, new = torch.split(from_inputs, sizes, -1)
        summed = self.shifted(torch.cat((self.normed("norm_ih", gates), self.normed("norm_in", new)), -1))
        hidden = self.start(len(from_inputs))
        for step in summed.unbind(1):
            gates, new = torch.split(step, sizes, -1)
            own_gates, own_new = torch.split(self.from_state(hidden), sizes, -1)
            reset, update = (gates + self.normed("norm_hh", own_gates)).sigmoid().chunk(2, -1)
            candidate = (new + reset * self.normed("norm_hn", own_new)).tanh()
            hidden = candidate + update * (hidden - candidate)
            yield hidden

    def lstm(self, from_inputs: Tensor) -> Iterator[Tensor]:
        """i, f, g, o = LN(W x) + LN(U h) + b, c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(LN(c'))."""
        hidden = cell = self.start(len(from_inputs))
        for step in self.shifted(self.normed("norm_ih", from_inputs)).unbind(1):
            enter, keep, new, leave = (step + self.normed("norm_hh", self.from_state(hidden))).chunk(4, -1)
            cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
            hidden = leave.sigmoid() * self.normed("norm_c", cell).tanh()
            yield hidden

    def start(self, rows: int) -> Tensor:
        """The state before the first step; in the weights' 32 bits, in which a cell adds up over the steps."""
        return self.weight_hh_l0.new_zeros(rows, self.layer.hidden_size)

    def from_state(self, hidden: Tensor) -> Tensor:
        """U h."""
        return functional.linear(hidden, self.weight_hh_l0)

    def shifted(self, summed: Tensor) -> Tensor:
        """Plus b, where the norms have no shift of their own."""
        return summed if self.bias_ih_l0 is None else summed + self.bias_ih_l0

    def normed(self, name: str, summed: Tensor) -> Tensor:
        """Under the norm of that name; as it is where this cell has none there."""
        if name not in self._modules:
            return summed
        normalized: Tensor = self.get_submodule(name)(summed.flatten(0, -2))
        return normalized.view_as(summed)


class RowsAsSteps(nn.Module):
    """(N, C, H, W) -> (N, H, C W)."""

    def forward(self, images: Tensor) -> Tensor:
        return images.transpose(1, 2).flatten(2)
