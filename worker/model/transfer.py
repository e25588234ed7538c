"""Layers of another run at the beginning of this one."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from bakehouse.plan.layers import norm_names
from bakehouse.plan.plan import Plan
from bakehouse.plan.sources.transfer import copied_names, copies_outputs
from bakehouse.recipe.pretraining import Transfer
from worker.data.dataset import Data, TargetUnits
from worker.model.norm import BatchRenormLayer
from worker.types import Weights


def in_units_of_source(plan: Plan, data: Data, weights: Weights) -> Data:
    """The data with the numbers that the source's inputs are normalised with; if its output layer is copied, also
    with those of its targets."""
    device = data.shift.device
    shift, scale = weights["normalize.shift"].to(device), weights["normalize.scale"].to(device)
    matrix = weights["normalize.matrix"].to(device) if "normalize.matrix" in weights else None
    normalised = replace(data, shift=shift, scale=scale, matrix=matrix)
    return (
        with_targets_of_source(plan, normalised, weights) if copies_outputs(transfer(plan), plan.root) else normalised
    )


def with_targets_of_source(plan: Plan, data: Data, weights: Weights) -> Data:
    """Numbers are standardised as they were for the source, whose plan has the same targets."""
    if data.units is not None:
        found = {
            place: (weights[f"units.{head.name}.mean"], weights[f"units.{head.name}.std"])
            for place, head in enumerate(plan.heads)
            if head.loss == "squared_error"
        }
        units, data = data.units, in_precision_of([mean for mean, _ in found.values()], data)
        precision = data.train.targets.dtype
        mean, std = units.mean.to(precision, copy=True), units.std.to(precision, copy=True)
        for place, (source_mean, source_std) in found.items():
            mean[place], std[place] = source_mean, source_std
        return replace(data, units=TargetUnits(mean, std))
    if plan.recipe.objective.loss != "squared_error":
        return data
    mean, std = weights["denormalize.mean"], weights["denormalize.std"]
    return replace(in_precision_of([mean], data), target_mean=float(mean), target_std=float(std))


def in_precision_of(means: Sequence[Tensor], data: Data) -> Data:
    """The data with targets in 64 bits if the source's means are."""
    if all(mean.dtype != torch.float64 for mean in means):
        return data
    train, validation, test = (
        replace(split, targets=split.targets.double()) for split in (data.train, data.validation, data.test)
    )
    return replace(data, train=train, validation=validation, test=test)


@torch.no_grad()
def copy_layers(plan: Plan, model: nn.Module, weights: Weights) -> None:
    """Parameters and buffers of the first layers."""
    state = model.state_dict()
    for here, there in pairs(plan):
        for name in state:
            if name.startswith(f"{here}."):
                state[name].copy_(weights[there + name.removeprefix(here)])
    for module in () if transfer(plan).freeze else model.modules():
        if isinstance(module, BatchRenormLayer):
            # Its limits rise with the steps of this run.
            module.num_batches_tracked.zero_()


def freeze(plan: Plan, model: nn.Module) -> tuple[nn.Module, ...]:
    """Takes the copied layers out of what is trained; their norms, which must not follow the model into training
    mode."""
    layers = [model.get_submodule(name) for name, _ in pairs(plan)]
    for layer in layers:
        layer.requires_grad_(False)
    copied = tuple(f"{name}." for name, _ in pairs(plan))
    # The dot at the end also finds a layer that is itself a norm.
    return tuple(model.get_submodule(name) for name in norm_names(plan.root) if f"{name}.".startswith(copied))


def pairs(plan: Plan) -> list[tuple[str, str]]:
    """The name of each copied layer here and in the source."""
    spec = transfer(plan)
    return copied_names(spec, plan.root, plan.checkpoints[spec.checkpoint.digest].root)


def transfer(plan: Plan) -> Transfer:
    """The recipe's."""
    spec = plan.recipe.pretraining
    assert isinstance(spec, Transfer)
    return spec
