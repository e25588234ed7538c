"""Layers of a plan as torch modules: one match, the same names."""

from collections import OrderedDict
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from bakehouse.plan import layers as plan
from bakehouse.plan.estimate import passes
from bakehouse.plan.plan import Plan
from worker.dropout.drop_connect import DropConnectLayer
from worker.dropout.dropout import dropout
from worker.heads import Heads, Units
from worker.norm.cross_iteration_batch_norm import CrossIterationBatchNormLayer, compensated
from worker.norm.norm import BatchRenormLayer, norm
from worker.recurrent import RowsAsSteps, recurrent
from worker.seeds import Seeds

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}  # fmt: skip


def build_model(plan: Plan) -> nn.Sequential:
    """The plan's model on the CPU, initialised as torch does it, from the recipe's seed alone."""
    torch.default_generator.manual_seed(Seeds(plan.recipe.seed, "initialisation").at(0))
    model = build(plan.root)
    assert isinstance(model, nn.Sequential)
    for layer in model.modules():
        if isinstance(layer, BatchRenormLayer | CrossIterationBatchNormLayer):
            layer.run_steps = plan.steps * passes(plan.recipe)
    return model


def build(layer: plan.Layer) -> nn.Module:
    """One layer with all that is in it."""
    match layer:
        case plan.Sequential(children):
            layers = OrderedDict((name, build(child)) for name, child in children)
            looks_back = any(isinstance(layer, CrossIterationBatchNormLayer) for layer in layers.values())
            return compensated(layers) if looks_back else nn.Sequential(layers)
        case plan.Residual(body, shortcut):
            return Residual(build(body), None if shortcut is None else build(shortcut))
        case plan.DenseConcat(body):
            return DenseConcat(build(body))
        case plan.Heads(named):
            return Heads({name: build(head) for name, head in named})
        case plan.Units(parts=parts):
            return Units({name: build(part) for name, _, part in parts}, [first for _, first, _ in parts])
        case _:
            return primitive(layer)


def primitive(layer: plan.Primitive) -> nn.Module:
    """A layer with no other in it."""
    match layer:
        case plan.Pool():
            return pool(layer)
        case plan.Normalize():
            return Normalize(layer.statistics)
        case plan.Denormalize():
            return Denormalize()
        case plan.Exponential():
            return Exponential()
        case plan.Linear():
            return nn.Linear(layer.input[0], layer.output[0], bias=layer.bias)
        case plan.Conv(kernel_size=side):
            padding, groups = (side - 1) // 2, layer.groups
            channels = layer.input[0], layer.output[0]
            return nn.Conv2d(*channels, side, layer.stride, padding, groups=groups, bias=layer.bias)
        case plan.Recurrent():
            return recurrent(layer)
        case plan.Norm():
            return norm(layer)
        case plan.Activation(name="maxout"):
            return Maxout(layer.pieces)
        case plan.Activation():
            return ACTIVATIONS[layer.name]()
        case plan.Dropout():
            return dropout(layer.spec)
        case plan.DropConnect(activation=name):
            return DropConnectLayer(layer, None if name is None else ACTIVATIONS[name]())
        case plan.Flatten():
            return nn.Flatten()
        case plan.Rows():
            return RowsAsSteps()
        case plan.Subsample():
            return Subsample(layer.stride, layer.output[0] - layer.input[0])
        case _:
            assert_never(layer)


def pool(layer: plan.Pool) -> nn.Module:
    """Windows, or the whole map."""
    match layer.kind:
        case "max":
            return nn.MaxPool2d(layer.size)
        case "average":
            return nn.AvgPool2d(layer.size)
        case "global_max":
            return MaxOverMap()
        case "global_average":
            return MeanOverMap()


class Normalize(nn.Module):
    """(x - shift) * scale, from stored units to those of the first layer."""

    def __init__(self, statistics: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(statistics))
        self.register_buffer("scale", torch.ones(statistics))
        self.shift: Tensor
        self.scale: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs.float() - self.shift) * self.scale


class Denormalize(nn.Module):
    """x * std + mean, from standardised targets to the data's units."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))
        self.mean: Tensor
        self.std: Tensor

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs * self.std + self.mean


class Exponential(nn.Module):
    """exp(x), from the log of a mean to the mean."""

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs.exp()


class Residual(nn.Module):
    """body(x) + shortcut(x). He et al. 2016, arXiv 1512.03385."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.body(inputs)
        return outputs + (inputs if self.shortcut is None else self.shortcut(inputs))


class DenseConcat(nn.Module):
    """x and body(x), as channels of one map. Huang et al. 2017, arXiv 1608.06993."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat((inputs, self.body(inputs)), 1)


class Subsample(nn.Module):
    """Every `stride`-th pixel, and `extra` channels of zeros behind."""

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride = stride
        self.extra = extra

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class Maxout(nn.Module):
    """max_j z_ij over the `pieces` features z_i1, z_i2, ... that stand together. Goodfellow et al. 2013,
    arXiv 1302.4389."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.reshape(len(inputs), -1, self.pieces, *inputs.shape[2:]).amax(2)


class MaxOverMap(nn.Module):
    """(N, C, H, W) -> (N, C)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.amax((2, 3))


class MeanOverMap(nn.Module):
    """(N, C, H, W) -> (N, C)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.mean((2, 3))
