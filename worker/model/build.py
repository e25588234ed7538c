"""Layers of a plan as torch modules: one match, the same names."""

from collections import OrderedDict
from typing import assert_never

import torch
from torch import nn

from bakehouse.plan import layers as plan
from bakehouse.plan.estimate import passes
from bakehouse.plan.plan import Plan
from worker.model.cross_iteration_batch_norm import CrossIterationBatchNormLayer, compensated
from worker.model.drop_connect import DropConnectLayer
from worker.model.dropout import dropout
from worker.model.modules import (
    Denormalize,
    DenseConcat,
    Exponential,
    Heads,
    Maxout,
    MaxOverMap,
    MeanOverMap,
    Normalize,
    Residual,
    Subsample,
    Units,
    Whiten,
)
from worker.model.norm import BatchRenormLayer, norm
from worker.model.recurrent import RowsAsSteps, recurrent
from worker.seeds import Seeds

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid, "identity": nn.Identity,
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
            return Whiten(layer.statistics) if layer.whitens else Normalize(layer.statistics)
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
