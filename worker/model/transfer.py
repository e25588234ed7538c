"""Copies layers of another run's model before the first step."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from bakehouse.plan.layers import norm_names
from bakehouse.plan.plan import Plan
from bakehouse.plan.sources.transfer import copied_names, copies_outputs
from bakehouse.recipe.pretraining import Transfer
from worker.data.dataset import Data, Unit
from worker.model.modules import BatchRenorm
from worker.model.modules.norms import reset_counters
from worker.types import Weights


def in_units_of_source(plan: Plan, data: Data, weights: Weights) -> Data:
    """Normalises inputs as the copied layers expect, and targets too if the output layer is copied."""
    device = data.shift.device
    shift = weights["normalize.shift"].to(device)
    scale = weights["normalize.scale"].to(device)
    matrix = weights["normalize.matrix"].to(device) if "normalize.matrix" in weights else None
    fill = weights["normalize.fill"].to(device) if "normalize.fill" in weights else None
    data = replace(data, shift=shift, scale=scale, matrix=matrix, fill=fill)
    return with_targets_of_source(plan, data, weights) if copies_outputs(transfer(plan), plan.root) else data


def with_targets_of_source(plan: Plan, data: Data, weights: Weights) -> Data:
    """Standardises targets as the source did, whose plan has the same targets."""
    units = list(data.units)
    means = []
    for target in plan.targets:
        if target.loss == "squared_error":
            means.append(weights[f"{target.unit}.mean"])
            units[target.index] = Unit(float(means[-1]), float(weights[f"{target.unit}.std"]))
    return replace(in_precision_of(means, data), units=tuple(units))


def in_precision_of(means: Sequence[Tensor], data: Data) -> Data:
    """Converts the targets to 64 bits if any of the source's means has 64 bits."""
    if all(mean.dtype != torch.float64 for mean in means):
        return data
    train, validation, test = (
        replace(split, targets=split.targets.double()) for split in (data.train, data.validation, data.test)
    )
    return replace(data, train=train, validation=validation, test=test)


@torch.no_grad()
def copy_layers(plan: Plan, model: nn.Module, weights: Weights) -> None:
    """Copies parameters and buffers of the layers that the recipe takes from the source."""
    state = model.state_dict()
    for target, source in pairs(plan):
        for name in state:
            if name.startswith(f"{target}."):
                # The tensors of a state dict share the model's memory, so this changes the model.
                state[name].copy_(weights[source + name.removeprefix(target)])
    if transfer(plan).freeze:
        return
    for module in model.modules():
        if isinstance(module, BatchRenorm):
            # Its limits rise with the steps of this run. Nothing reads the count of other norms, which stays a copy.
            reset_counters(module)


def freeze(plan: Plan, model: nn.Module) -> tuple[nn.Module, ...]:
    """Freezes the copied layers and returns their norms, which must stay in evaluation mode."""
    copied = [name for name, _ in pairs(plan)]
    for name in copied:
        model.get_submodule(name).requires_grad_(False)
    # The dot at the end also finds a layer that is itself a norm.
    starts = tuple(f"{name}." for name in copied)
    return tuple(model.get_submodule(name) for name in norm_names(plan.root) if f"{name}.".startswith(starts))


def pairs(plan: Plan) -> list[tuple[str, str]]:
    """Returns the name of each copied layer in the model and in the source."""
    spec = transfer(plan)
    return copied_names(spec, plan.root, plan.checkpoints[spec.checkpoint.digest].root)


def transfer(plan: Plan) -> Transfer:
    spec = plan.recipe.pretraining
    assert isinstance(spec, Transfer)
    return spec
