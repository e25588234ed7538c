"""Recurrent layers in a plan's script: torch's own, or a cell with norms written out."""

from bakehouse.plan.layers import Recurrent

ROWS = """\
class RowsAsSteps(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2).flatten(2)
"""

PLAIN = """\
class {name}(nn.{base}):
    def __init__(self, inputs, hidden, last, **options):
        super().__init__(inputs, hidden, batch_first=True, **options)
        self.last = last

    def forward(self, x):
        states = super().forward(x)[0]
        return states[:, -1] if self.last else states
"""

NORMALIZED = """\
class {name}(nn.Module):
    def __init__(self, inputs, hidden, last, bias=False, {options}**norms):
        super().__init__()
        self.hidden, self.last = hidden, last{settings}
        self.weight_ih_l0 = nn.Parameter(torch.empty({gates} * hidden, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty({gates} * hidden, hidden))
        self.bias_ih_l0 = nn.Parameter(torch.empty({gates} * hidden)) if bias else None
        for name, norm in norms.items():
            self.add_module(name, norm)

    def normed(self, name, x):
        norm = getattr(self, name, None)
        return x if norm is None else norm(x.flatten(0, -2)).view_as(x)

    def shift(self, x):
        return x if self.bias_ih_l0 is None else x + self.bias_ih_l0

    def states(self, x):
        h = {start}x.new_zeros(len(x), self.hidden)
{body}
            yield h

    def forward(self, x):
        states = list(self.states(nn.functional.linear(x, self.weight_ih_l0)))
        return states[-1] if self.last else torch.stack(states, 1)
"""

ELMAN = """\
        for step in self.normed("norm_ih", x).unbind(1):
            step = step + nn.functional.linear(h, self.weight_hh_l0)
            h = getattr(torch, self.nonlinearity)(self.shift(self.normed("norm", step)))"""

GRU = """\
        gates, new = x.split((2 * self.hidden, self.hidden), -1)
        x = self.shift(torch.cat((self.normed("norm_ih", gates), self.normed("norm_in", new)), -1))
        for step in x.unbind(1):
            gates, new = step.split((2 * self.hidden, self.hidden), -1)
            own_gates, own_new = nn.functional.linear(h, self.weight_hh_l0).split((2 * self.hidden, self.hidden), -1)
            r, z = (gates + self.normed("norm_hh", own_gates)).sigmoid().chunk(2, -1)
            n = (new + r * self.normed("norm_hn", own_new)).tanh()
            h = n + z * (h - n)"""

LSTM = """\
        for step in self.shift(self.normed("norm_ih", x)).unbind(1):
            own = self.normed("norm_hh", nn.functional.linear(h, self.weight_hh_l0))
            i, f, g, o = (step + own).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * self.normed("norm_c", c).tanh()"""

BODIES = {"elman": ELMAN, "gru": GRU, "lstm": LSTM}
BASES = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}


def name_of(layer: Recurrent) -> str:
    """The class that a layer is built with."""
    return ("" if layer.norm is None else "Normalized") + layer.cell.title()


def recurrent_definition(layer: Recurrent) -> str:
    """That class."""
    if layer.norm is None:
        return PLAIN.format(name=name_of(layer), base=BASES[layer.cell])
    is_elman = layer.cell == "elman"
    return NORMALIZED.format(
        name=name_of(layer),
        gates=layer.gates // layer.hidden_size,
        options='nonlinearity="tanh", ' if is_elman else "",
        settings="\n        self.nonlinearity = nonlinearity" if is_elman else "",
        start="c = " if layer.cell == "lstm" else "",
        body=BODIES[layer.cell],
    )
