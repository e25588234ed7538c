"""The classes that a plan's script needs beside torch's."""

from collections.abc import Iterator

from bakehouse.plan.layers import (
    Activation,
    Denormalize,
    DenseConcat,
    DropConnect,
    Dropout,
    Exponential,
    Heads,
    Layer,
    Norm,
    Normalize,
    Recurrent,
    Residual,
    Rows,
    Sequential,
    Subsample,
    Units,
    walk,
)
from bakehouse.plan.recurrent_code import ROWS, recurrent_definition
from bakehouse.recipe import dropout as recipe
from bakehouse.recipe.norm import BatchRenorm

FITTED = """\
class Fitted(nn.Module):  # in the precision of the file: 64 bits where the data's numbers need them
    def __init__(self, **fitted):
        super().__init__()
        for name, value in fitted.items():
            self.register_buffer(name, value)

    def _load_from_state_dict(self, state, prefix, *rest):
        for name, value in self.named_buffers():
            setattr(self, name, value.to(state.get(prefix + name, value).dtype))
        super()._load_from_state_dict(state, prefix, *rest)
"""

NORMALIZE = """\
class Normalize(Fitted):
    def __init__(self, *shape):
        super().__init__(shift=torch.zeros(shape), scale=torch.ones(shape))
        self.register_buffer("one", torch.ones(()), persistent=False)  # in the precision of the next layers

    def forward(self, x):
        return ((x.to(self.shift.dtype) - self.shift) * self.scale).to(self.one.dtype)
"""

WHITEN = """\
class Whiten(Normalize):
    def __init__(self, *shape):
        super().__init__(*shape)
        self.register_buffer("matrix", torch.eye(self.shift.numel()))

    def forward(self, x):
        x = super().forward(x)
        rows = x.flatten(1) if x.dim() == 4 else x
        return (rows @ self.matrix).view(x.shape)
"""

DENORMALIZE = """\
class Denormalize(Fitted):
    def __init__(self):
        super().__init__(mean=torch.zeros(()), std=torch.ones(()))

    def forward(self, x):
        return x.to(self.mean.dtype) * self.std + self.mean
"""

EXPONENTIAL = """\
class Exponential(nn.Module):
    def forward(self, x):
        return x.exp()
"""

VANILLA_DROPOUT = """\
class VanillaDropout(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if self.training:
            return x * torch.empty_like(x).bernoulli_(1 - self.rate)
        return x * (1 - self.rate)
"""

DROP_CONNECT = """\
class DropConnect(nn.Linear):  # as it evaluates: the mean of activation(u) over normal u
    def __init__(self, inputs, outputs, rate, activation, bias=True):
        super().__init__(inputs, outputs, bias)
        self.rate = rate
        self.activation = activation
        steps = torch.arange(1.0, 32.0, dtype=torch.float64).sqrt()
        self.nodes, vectors = torch.linalg.eigh(steps.diag(1) + steps.diag(-1))
        self.weights = vectors[0] ** 2

    def forward(self, x):
        mean, bias = super().forward(x), None if self.bias is None else self.bias**2
        variance = nn.functional.linear(x**2, self.weight**2, bias) * self.rate / (1 - self.rate)
        std = variance.clamp(min=1e-30).sqrt()
        if isinstance(self.activation, (nn.ReLU, nn.LeakyReLU)):
            z = mean / std
            relu = mean * torch.special.ndtr(z) + std * torch.exp(-z * z / 2) * 0.3989422804014327
            slope = getattr(self.activation, "negative_slope", 0.0)
            return slope * mean + (1 - slope) * relu
        pairs = zip(self.weights.tolist(), self.nodes.tolist())
        return sum(weight * self.activation(mean + node * std) for weight, node in pairs)
"""

BATCH_RENORM = """\
class BatchRenorm(nn.Module):  # as it evaluates
    def __init__(self, features, affine=True):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(features)) if affine else None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_std", torch.ones(features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        axis = (-1, *[1] * (x.dim() - 2))
        x = (x - self.running_mean.view(axis)) / self.running_std.view(axis)
        return x if self.weight is None else x * self.weight.view(axis) + self.bias.view(axis)
"""

MAXOUT = """\
class Maxout(nn.Module):
    def __init__(self, pieces):
        super().__init__()
        self.pieces = pieces

    def forward(self, x):
        return x.unflatten(1, (-1, self.pieces)).amax(2)
"""

RESIDUAL = """\
class Residual(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x):
        return self.body(x) + self.shortcut(x)
"""

DENSE_CONCAT = """\
class DenseConcat(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return torch.cat((x, self.body(x)), 1)
"""

SUBSAMPLE = """\
class Subsample(nn.Module):
    def __init__(self, stride, extra_channels):
        super().__init__()
        self.stride = stride
        self.extra_channels = extra_channels

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.extra_channels))
"""

HEADS = """\
class Heads(nn.ModuleDict):
    def forward(self, x):
        return torch.cat([head(x) for head in self.values()], 1)
"""

UNITS = """\
class Units(nn.ModuleDict):
    def __init__(self, columns, **parts):
        super().__init__(parts)
        self.columns = columns

    def forward(self, x):
        columns = list(x.unbind(1))
        for column, part in zip(self.columns, self.values()):
            columns[column] = part(columns[column])
        return torch.stack(columns, 1)
"""

SEQUENCE = """\
def sequence(**layers):
    return nn.Sequential(OrderedDict(layers))
"""


def definitions(root: Layer) -> Iterator[str]:
    """The classes that torch does not have, each only where it is used."""
    layers = [layer for _, layer in walk(root)]
    wanted: list[tuple[bool, str]] = [
        (any(isinstance(layer, Normalize | Denormalize) for layer in layers), FITTED),
        (any(isinstance(layer, Normalize) for layer in layers), NORMALIZE),
        (any(isinstance(layer, Normalize) and layer.whitens for layer in layers), WHITEN),
        (any(isinstance(layer, Denormalize) for layer in layers), DENORMALIZE),
        (any(isinstance(layer, Exponential) for layer in layers), EXPONENTIAL),
        (
            any(isinstance(layer, Dropout) and isinstance(layer.spec, recipe.VanillaDropout) for layer in layers),
            VANILLA_DROPOUT,
        ),
        (any(isinstance(layer, DropConnect) and layer.activation for layer in layers), DROP_CONNECT),
        (any(isinstance(layer, Norm) and isinstance(layer.spec, BatchRenorm) for layer in layers), BATCH_RENORM),
        (any(isinstance(layer, Activation) and layer.name == "maxout" for layer in layers), MAXOUT),
        (has(Residual, root), RESIDUAL),
        (has(DenseConcat, root), DENSE_CONCAT),
        (any(isinstance(layer, Subsample) for layer in layers), SUBSAMPLE),
        (has(Heads, root), HEADS),
        (has(Units, root), UNITS),
        (any(isinstance(layer, Rows) for layer in layers), ROWS),
    ]
    yield from (text for is_used, text in wanted if is_used)
    yield from dict.fromkeys(recurrent_definition(layer) for layer in layers if isinstance(layer, Recurrent))
    yield SEQUENCE


def has(kind: type[Residual | DenseConcat | Heads | Units], layer: Layer) -> bool:
    """Whether there are such layers within one; none of them stands within another."""
    match layer:
        case Sequential(children):
            return any(has(kind, child) for _, child in children)
        case _:
            return isinstance(layer, kind)
