"""Constructs the torch modules of a plan."""

from typing import Any

import torch
from torch import nn

from bakehouse.plan.layers import Layer
from bakehouse.plan.modules import Argument, Call, model_call, module_call
from bakehouse.plan.plan import Plan
from worker.model import modules
from worker.seeds import Seeds


def build_model(plan: Plan) -> nn.Sequential:
    """Builds the plan's model on the CPU, initialised as torch does it, from the recipe's seed alone."""
    # Layers of torch take no generator, so the global one is seeded.
    torch.default_generator.manual_seed(Seeds(plan.recipe.seed, "initialisation").at(0))
    model = construct(model_call(plan))
    assert isinstance(model, nn.Sequential)
    return model


def build(layer: Layer, *, run_steps: int = 1) -> nn.Module:
    """Builds a single layer for a run of `run_steps` steps."""
    return construct(module_call(layer, run_steps=run_steps))


def construct(call: Call) -> nn.Module:
    """Calls a class in torch.nn or in worker.model.modules, after constructing the layers inside it in their order."""
    home: object = nn if call.name.startswith("nn.") else modules
    args = [argument(value) for value in call.args]
    options = {name: argument(value) for name, value in call.options.items()}
    module: nn.Module = getattr(home, call.name.removeprefix("nn."))(*args, **options)
    return module


def argument(value: Argument) -> Any:
    match value:
        case Call():
            return construct(value)
        case dict():
            return {name: construct(call) for name, call in value.items()}
        case _:
            return value
