"""Defines recurrent layers, which map (N, steps, numbers) to all states (N, steps, hidden) or the last (N, hidden).

Without norms, torch's own layers are used. A cell with norms loops over the steps; its weights have torch's names.
"""

from collections.abc import Iterator
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional


class Elman(nn.RNN):
    """Computes h' = f(W x + b + U h + c). Elman 1990."""

    def __init__(self, inputs: int, hidden: int, *, gives_last: bool, nonlinearity: str = "tanh") -> None:
        super().__init__(inputs, hidden, nonlinearity=nonlinearity, batch_first=True)
        self.gives_last = gives_last

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        states: Tensor = super().forward(inputs)[0]
        return states[:, -1] if self.gives_last else states


class Gru(nn.GRU):
    """Computes h' = (1 - z) n + z h. Cho et al. 2014, arXiv 1406.1078."""

    def __init__(self, inputs: int, hidden: int, *, gives_last: bool) -> None:
        super().__init__(inputs, hidden, batch_first=True)
        self.gives_last = gives_last

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        states: Tensor = super().forward(inputs)[0]
        return states[:, -1] if self.gives_last else states


class Lstm(nn.LSTM):
    """Computes c' = f c + i g, h' = o tanh(c'). Hochreiter & Schmidhuber 1997."""

    def __init__(self, inputs: int, hidden: int, *, gives_last: bool) -> None:
        super().__init__(inputs, hidden, batch_first=True)
        self.gives_last = gives_last

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        states: Tensor = super().forward(inputs)[0]
        return states[:, -1] if self.gives_last else states


class NormalizedCell(nn.Module):
    """A cell that normalises its summed inputs; each step of each row counts as a sample. Ba et al. 2016, arXiv
    1607.06450, equation 4 and appendix; for batch norm on W x alone, Laurent et al. 2016, arXiv 1510.01378."""

    gates = 1

    def __init__(self, inputs: int, hidden: int, *, gives_last: bool, bias: bool = False, **norms: nn.Module) -> None:
        super().__init__()
        self.hidden = hidden
        self.gives_last = gives_last
        self.weight_ih_l0 = nn.Parameter(torch.empty(self.gates * hidden, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(self.gates * hidden, hidden))
        self.bias_ih_l0 = nn.Parameter(torch.empty(self.gates * hidden)) if bias else None
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / sqrt(hidden), 1 / sqrt(hidden))
        for name, norm in norms.items():
            self.add_module(name, norm)

    def forward(self, inputs: Tensor) -> Tensor:
        states = list(self.states(functional.linear(inputs, self.weight_ih_l0)))
        return states[-1] if self.gives_last else torch.stack(states, 1)

    def states(self, from_inputs: Tensor) -> Iterator[Tensor]:
        """Yields the state after each step; `from_inputs` is W x for all steps."""
        raise NotImplementedError

    def first_state(self, rows: int) -> Tensor:
        """Returns zeros in the 32 bits of the weights, because the state accumulates over the steps."""
        return self.weight_hh_l0.new_zeros(rows, self.hidden)

    def from_state(self, hidden: Tensor) -> Tensor:
        """Computes U h."""
        return functional.linear(hidden, self.weight_hh_l0)

    def with_bias(self, summed: Tensor) -> Tensor:
        """Adds b, if the norms have no shift of their own."""
        return summed if self.bias_ih_l0 is None else summed + self.bias_ih_l0

    def normalized(self, name: str, summed: Tensor) -> Tensor:
        """Applies the norm of this name, if the cell has it."""
        if name not in self._modules:
            return summed
        outputs: Tensor = self.get_submodule(name)(summed.flatten(0, -2))
        return outputs.view_as(summed)


class NormalizedElman(NormalizedCell):
    """Computes h' = f(LN(W x + U h) + b)."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        gives_last: bool,
        bias: bool = False,
        nonlinearity: str = "tanh",
        **norms: nn.Module,
    ) -> None:
        super().__init__(inputs, hidden, gives_last=gives_last, bias=bias, **norms)
        self.nonlinearity = nonlinearity

    def states(self, from_inputs: Tensor) -> Iterator[Tensor]:
        activation = torch.tanh if self.nonlinearity == "tanh" else torch.relu
        hidden = self.first_state(len(from_inputs))
        for step in self.normalized("norm_ih", from_inputs).unbind(1):
            hidden = activation(self.with_bias(self.normalized("norm", step + self.from_state(hidden))))
            yield hidden


class NormalizedGru(NormalizedCell):
    """Computes r, z = sigmoid(LN(W x) + LN(U h) + b), n = tanh(LN(W_n x) + b_n + r LN(U_n h)), h' = (1 - z) n + z h."""

    gates = 3

    def states(self, from_inputs: Tensor) -> Iterator[Tensor]:
        sizes = [2 * self.hidden, self.hidden]
        gates, new = torch.split(from_inputs, sizes, -1)
        normalized = self.normalized("norm_ih", gates), self.normalized("norm_in", new)
        summed = self.with_bias(torch.cat(normalized, -1))
        hidden = self.first_state(len(from_inputs))
        for step in summed.unbind(1):
            gates, new = torch.split(step, sizes, -1)
            own_gates, own_new = torch.split(self.from_state(hidden), sizes, -1)
            reset, update = (gates + self.normalized("norm_hh", own_gates)).sigmoid().chunk(2, -1)
            candidate = (new + reset * self.normalized("norm_hn", own_new)).tanh()
            hidden = candidate + update * (hidden - candidate)
            yield hidden


class NormalizedLstm(NormalizedCell):
    """Computes i, f, g, o = LN(W x) + LN(U h) + b, then c' = sigmoid(f) c + sigmoid(i) tanh(g), and
    h' = sigmoid(o) tanh(LN(c'))."""

    gates = 4

    def states(self, from_inputs: Tensor) -> Iterator[Tensor]:
        hidden = cell = self.first_state(len(from_inputs))
        for step in self.with_bias(self.normalized("norm_ih", from_inputs)).unbind(1):
            summed = step + self.normalized("norm_hh", self.from_state(hidden))
            enter, keep, new, leave = summed.chunk(4, -1)
            cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
            hidden = leave.sigmoid() * self.normalized("norm_c", cell).tanh()
            yield hidden


class RowsAsSteps(nn.Module):
    """Makes each row of pixels a step: (N, C, H, W) -> (N, H, C W)."""

    def forward(self, images: Tensor) -> Tensor:
        return images.transpose(1, 2).flatten(2)
