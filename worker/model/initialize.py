"""How a model begins: its layout in memory, and what the data tell it before the first step."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bakehouse.plan.layers import Conv, DropConnect, Dropout, walk
from bakehouse.plan.plan import Plan
from bakehouse.recipe.pretraining import Transfer
from worker.data.dataset import Data
from worker.model.build import build_model
from worker.model.modules import Denormalize, Exponential, Normalize, Whiten
from worker.model.transfer import copy_layers, freeze, in_units_of_source
from worker.types import Weights


def has_maps(plan: Plan) -> bool:
    """Convolutions run 1.5 times as fast on channels-last tensors."""
    return any(isinstance(layer, Conv) for _, layer in walk(plan.root))


def draws_masks(plan: Plan) -> bool:
    """A purpose that no layer has is not seeded: that would cost a microsecond a step."""
    return any(isinstance(layer, Dropout | DropConnect) for _, layer in walk(plan.root))


def begin(
    plan: Plan, data: Data, checkpoints: Mapping[str, Weights]
) -> tuple[nn.Sequential, Data, tuple[nn.Module, ...]]:
    """The model, the data in the units that its layers expect, and the norms that are frozen."""
    match plan.recipe.pretraining:
        case Transfer(checkpoint=checkpoint, freeze=is_frozen):
            source = checkpoints[checkpoint.digest]
            data = in_units_of_source(plan, data, source)
            model = filled(plan, data)
            copy_layers(plan, model, source)
            return model, data, freeze(plan, model) if is_frozen else ()
        case _:
            return filled(plan, data), data, ()


def filled(plan: Plan, data: Data) -> nn.Sequential:
    """The model, with what the data tell it."""
    model = build_model(plan)
    fill_statistics(plan, model, data)
    return model


def fill_statistics(plan: Plan, model: nn.Sequential, data: Data) -> None:
    """What was fitted on the training split becomes buffers of the model, or where it begins."""
    first, last = model[0], model[-1]
    assert isinstance(first, Normalize)
    first.shift, first.scale = data.shift.clone(), data.scale.clone()
    if isinstance(first, Whiten):
        assert data.matrix is not None, "data that are whitened have a matrix"
        first.matrix = data.matrix.clone()
    if isinstance(last, Exponential):
        model[-2].get_parameter("bias").data.fill_(log_of_mean(data.train.targets))
    if isinstance(last, Denormalize):
        precision = data.train.targets.dtype
        last.mean = torch.tensor(data.target_mean, dtype=precision)
        last.std = torch.tensor(data.target_std, dtype=precision)
    if plan.data.tasks:
        fill_units(plan, model, data)


@torch.no_grad()
def fill_units(plan: Plan, model: nn.Module, data: Data) -> None:
    """What was fitted on the labels of the training split becomes buffers of the model, or where it begins."""
    assert data.units is not None, "several targets have units"
    for place, head in enumerate(plan.heads):
        if head.loss == "squared_error":
            unit = model.get_submodule(f"units.{head.name}")
            assert isinstance(unit, Denormalize)
            unit.mean = data.units.mean[place].clone()
            unit.std = data.units.std[place].clone()
        if head.loss == "poisson":
            bias = model.get_submodule(f"heads.{head.name}").get_parameter("bias")
            bias.fill_(log_of_mean(data.train.targets[:, place]))


def log_of_mean(counts: Tensor) -> float:
    """Where an output begins: from exp(0) = 1 to the mean of large counts would be a long way."""
    return math.log(float(counts.double().nanmean()) or 1.0)
