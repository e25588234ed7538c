"""Builds initial models, and fills in the values that come from the data before the first step."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bakehouse.plan.layers import DropConnect, Dropout, Layer, walk
from bakehouse.plan.plan import Plan
from bakehouse.recipe.pretraining import Transfer
from worker.data.dataset import Data, column
from worker.model.build import build, build_model
from worker.model.modules import Denormalize, EncodeColumns, Normalize, Whiten
from worker.model.transfer import copy_layers, freeze, in_units_of_source
from worker.types import Weights


def draws_masks(plan: Plan) -> bool:
    """Whether any layer draws random masks; only then must the generator be reseeded at every step (1 microsecond)."""
    return any(isinstance(layer, Dropout | DropConnect) for _, layer in walk(plan.root))


def initialize(
    plan: Plan, data: Data, checkpoints: Mapping[str, Weights]
) -> tuple[nn.Sequential, Data, tuple[nn.Module, ...]]:
    """Returns the model, the data in the units that its layers expect, and the norms that are frozen."""
    match plan.recipe.pretraining:
        case Transfer(checkpoint=checkpoint, freeze=is_frozen):
            source = checkpoints[checkpoint.digest]
            # The units come first, because the copied layers expect inputs as their own run normalised them.
            data = in_units_of_source(plan, data, source)
            model = build_for(plan, data)
            copy_layers(plan, model, source)
            return model, data, freeze(plan, model) if is_frozen else ()
        case _:
            return build_for(plan, data), data, ()


def normalization_layer(plan: Plan, data: Data, checkpoints: Mapping[str, Weights]) -> Normalize:
    """Returns the first layer of the model that `initialize` returns, without building the others."""
    if isinstance(plan.recipe.pretraining, Transfer):
        data = in_units_of_source(plan, data, checkpoints[plan.recipe.pretraining.checkpoint.digest])
    layer = build(first_layer(plan))
    assert isinstance(layer, Normalize)
    fill_normalization(layer, data)
    return layer


def first_layer(plan: Plan) -> Layer:
    """Returns the layer that normalises the inputs."""
    [(_, layer), *_] = plan.root.children
    return layer


def build_for(plan: Plan, data: Data) -> nn.Sequential:
    model = build_model(plan)
    fill_statistics(plan, model, data)
    return model


def fill_statistics(plan: Plan, model: nn.Sequential, data: Data) -> None:
    """Writes the statistics of the training split into the model's buffers, and into biases that predict a mean."""
    first = model[0]
    assert isinstance(first, Normalize)
    fill_normalization(first, data)
    for target, unit in zip(plan.targets, data.units, strict=True):
        labels = column(data.train.targets, target.index)
        if target.loss == "squared_error":
            layer = model.get_submodule(target.unit)
            assert isinstance(layer, Denormalize)
            layer.mean = torch.tensor(unit.mean, dtype=labels.dtype)
            layer.std = torch.tensor(unit.std, dtype=labels.dtype)
        if target.loss == "poisson":
            model.get_submodule(target.head).get_parameter("bias").data.fill_(log_of_mean(labels))


def fill_normalization(layer: Normalize, data: Data) -> None:
    """Writes the statistics of the inputs into the buffers of the layer that normalises them."""
    # A layer owns its buffers, because writing to them in place must not change the data's statistics.
    layer.shift = data.shift.clone()
    layer.scale = data.scale.clone()
    if isinstance(layer, EncodeColumns):
        assert data.fill is not None, "columns that are encoded have values for empty cells"
        layer.fill = data.fill.clone()
    if isinstance(layer, Whiten):
        assert data.matrix is not None, "data that are whitened have a matrix"
        layer.matrix = data.matrix.clone()


def log_of_mean(counts: Tensor) -> float:
    """Returns the initial bias of a Poisson output; from a bias of 0, large counts would take many steps to reach."""
    # If all counts are 0, their mean has no logarithm.
    return math.log(float(counts.double().nanmean()) or 1.0)
