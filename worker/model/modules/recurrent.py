"""Defines recurrent layers, which map (N, steps, numbers) to all states (N, steps, hidden) or the last (N, hidden).

Without norms, torch's own layers are used. A cell with norms loops over the steps; its weights have torch's names.

Ragged sequences end with steps of nan up to the longest. These are left out before anything is computed: norms see the
real steps alone, and the last state is that of the last real step. Among all states, nan follows a sequence again.
"""

from collections.abc import Callable, Iterator
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def pack_steps(inputs: Tensor) -> PackedSequence:
    """Returns the real steps of ragged sequences; all first steps come first, those of the longest sequence ahead."""
    # The first step of a sequence is real, so nan in it comes from weights that diverged, and must stay visible.
    lengths = (~inputs[:, :, 0].isnan()).sum(1).clamp(min=1)
    return pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)


def unpack_steps(packed: PackedSequence) -> Tensor:
    """Returns (N, steps, numbers), with nan after the last step of a sequence."""
    return pad_packed_sequence(packed, batch_first=True, padding_value=float("nan"))[0]


def first_rows(state: Tensor, rows: int) -> Tensor:
    """Returns the state of the sequences that have another step."""
    return state if len(state) == rows else state[:rows]


def run_layer(layer: Callable[..., tuple[Any, Any]], inputs: Tensor, *, gives_last: bool, is_ragged: bool) -> Tensor:
    """Runs a recurrent layer of torch; returns all states, or the last of each sequence."""
    if not is_ragged:
        states: Tensor = layer(inputs)[0]
        return states[:, -1] if gives_last else states
    packed, last = layer(pack_steps(inputs))
    if not gives_last:
        return unpack_steps(packed)
    # An lstm also returns its memory.
    hidden: Tensor = last[0] if isinstance(last, tuple) else last
    return hidden[0]


class Elman(nn.RNN):
    """Computes h' = f(W x + b + U h + c). Elman 1990."""

    def __init__(
        self, inputs: int, hidden: int, *, gives_last: bool, is_ragged: bool = False, nonlinearity: str = "tanh"
    ) -> None:
        super().__init__(inputs, hidden, nonlinearity=nonlinearity, batch_first=True)
        self.gives_last = gives_last
        self.is_ragged = is_ragged

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return run_layer(super().forward, inputs, gives_last=self.gives_last, is_ragged=self.is_ragged)


class Gru(nn.GRU):
    """Computes h' = (1 - z) n + z h. Cho et al. 2014, arXiv 1406.1078."""

    def __init__(self, inputs: int, hidden: int, *, gives_last: bool, is_ragged: bool = False) -> None:
        super().__init__(inputs, hidden, batch_first=True)
        self.gives_last = gives_last
        self.is_ragged = is_ragged

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return run_layer(super().forward, inputs, gives_last=self.gives_last, is_ragged=self.is_ragged)


class Lstm(nn.LSTM):
    """Computes c' = f c + i g, h' = o tanh(c'). Hochreiter & Schmidhuber 1997."""

    def __init__(self, inputs: int, hidden: int, *, gives_last: bool, is_ragged: bool = False) -> None:
        super().__init__(inputs, hidden, batch_first=True)
        self.gives_last = gives_last
        self.is_ragged = is_ragged

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return run_layer(super().forward, inputs, gives_last=self.gives_last, is_ragged=self.is_ragged)


class NormalizedCell(nn.Module):
    """A cell that normalises its summed inputs; each step of each row counts as a sample. Ba et al. 2016, arXiv
    1607.06450, equation 4 and appendix; for batch norm on W x alone, Laurent et al. 2016, arXiv 1510.01378."""

    gates = 1

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        gives_last: bool,
        is_ragged: bool = False,
        bias: bool = False,
        **norms: nn.Module,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.gives_last = gives_last
        self.is_ragged = is_ragged
        self.weight_ih_l0 = nn.Parameter(torch.empty(self.gates * hidden, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(self.gates * hidden, hidden))
        self.bias_ih_l0 = nn.Parameter(torch.empty(self.gates * hidden)) if bias else None
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / sqrt(hidden), 1 / sqrt(hidden))
        for name, norm in norms.items():
            self.add_module(name, norm)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.is_ragged:
            return self.over_packed(pack_steps(inputs))
        states = list(self.states(functional.linear(inputs, self.weight_ih_l0), lambda numbers: numbers.unbind(1)))
        return states[-1] if self.gives_last else torch.stack(states, 1)

    def over_packed(self, packed: PackedSequence) -> Tensor:
        """Returns the same for ragged sequences; from step to step, those that have ended drop out of the batch."""
        rows = packed.batch_sizes.tolist()
        from_inputs = functional.linear(packed.data, self.weight_ih_l0)
        states = list(self.states(from_inputs, lambda numbers: torch.split(numbers, rows)))
        if not self.gives_last:
            return unpack_steps(packed._replace(data=torch.cat(states)))
        assert packed.unsorted_indices is not None, "the sequences were sorted by length"
        # The sequences that end with a step are the last rows of its batch, and the longest ones are the first of all.
        ended = [state[going_on:] for state, going_on in zip(states, [*rows[1:], 0], strict=True)]
        return torch.cat(ended[::-1]).index_select(0, packed.unsorted_indices)

    def states(self, from_inputs: Tensor, divide: Callable[[Tensor], tuple[Tensor, ...]]) -> Iterator[Tensor]:
        """Yields the state after each step; `from_inputs` is W x for all steps, which `divide` takes apart."""
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
        is_ragged: bool = False,
        bias: bool = False,
        nonlinearity: str = "tanh",
        **norms: nn.Module,
    ) -> None:
        super().__init__(inputs, hidden, gives_last=gives_last, is_ragged=is_ragged, bias=bias, **norms)
        self.nonlinearity = nonlinearity

    def states(self, from_inputs: Tensor, divide: Callable[[Tensor], tuple[Tensor, ...]]) -> Iterator[Tensor]:
        activation = torch.tanh if self.nonlinearity == "tanh" else torch.relu
        steps = divide(self.normalized("norm_ih", from_inputs))
        hidden = self.first_state(len(steps[0]))
        for step in steps:
            hidden = first_rows(hidden, len(step))
            hidden = activation(self.with_bias(self.normalized("norm", step + self.from_state(hidden))))
            yield hidden


class NormalizedGru(NormalizedCell):
    """Computes r, z = sigmoid(LN(W x) + LN(U h) + b), n = tanh(LN(W_n x) + b_n + r LN(U_n h)), h' = (1 - z) n + z h."""

    gates = 3

    def states(self, from_inputs: Tensor, divide: Callable[[Tensor], tuple[Tensor, ...]]) -> Iterator[Tensor]:
        sizes = [2 * self.hidden, self.hidden]
        gates, new = torch.split(from_inputs, sizes, -1)
        normalized = self.normalized("norm_ih", gates), self.normalized("norm_in", new)
        summed = self.with_bias(torch.cat(normalized, -1))
        steps = divide(summed)
        hidden = self.first_state(len(steps[0]))
        for step in steps:
            hidden = first_rows(hidden, len(step))
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

    def states(self, from_inputs: Tensor, divide: Callable[[Tensor], tuple[Tensor, ...]]) -> Iterator[Tensor]:
        steps = divide(self.with_bias(self.normalized("norm_ih", from_inputs)))
        hidden = cell = self.first_state(len(steps[0]))
        for step in steps:
            hidden = first_rows(hidden, len(step))
            cell = first_rows(cell, len(step))
            summed = step + self.normalized("norm_hh", self.from_state(hidden))
            enter, keep, new, leave = summed.chunk(4, -1)
            cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
            hidden = leave.sigmoid() * self.normalized("norm_c", cell).tanh()
            yield hidden


class RowsAsSteps(nn.Module):
    """Makes each row of pixels a step: (N, C, H, W) -> (N, H, C W)."""

    def forward(self, images: Tensor) -> Tensor:
        return images.transpose(1, 2).flatten(2)
