"""Computes the diagnostics of single layers, from their inputs, outputs and weights."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from bakehouse.plan.checks.norm import layers_with_statistics
from bakehouse.plan.layers import Activation, Affine, DropConnect, Recurrent, walk
from bakehouse.plan.plan import Plan
from worker.diagnostics.probe import Probe, Subject, Values
from worker.model.modules import BatchRenorm
from worker.model.moments import Moments

MIN_SLOPES = {"sigmoid": 0.01, "tanh": 0.04}
"""Slopes below which an activation a counts as saturated. The slope is a (1 - a) for sigmoid and 1 - a^2 for tanh.
As tanh(x) is 2 sigmoid(2x) - 1, its slope is 4 times that of sigmoid at 2x, and so is its limit."""


def variance_shift(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Compares the variance by which each norm divides with that of its inputs. Li et al. 2018, arXiv 1801.05134."""
    model = subject.evaluated
    names = list(layers_with_statistics(plan.root))
    moments = {name: Moments() for name in names}
    with observe_inputs(model, {name: moments[name].add for name in names}):
        for batch in probe.training_batches(subject.epoch, mixed=False):
            with torch.no_grad():
                model[1:](batch.inputs)
            yield
    moving = torch.stack([evaluation_variance(model.get_submodule(name)).double().mean() for name in names])
    # torch's batch norm keeps unbiased variances, so the real ones are unbiased too.
    real = torch.stack([moments[name].variance(correction=1).mean() for name in names])
    ratio = torch.maximum(real / moving, moving / real)
    numbers = {"moving": moving.tolist(), "real": real.tolist(), "ratio": ratio.tolist()}
    return {"layers": names, **numbers, "worst_ratio": float(ratio.max())}


def evaluation_variance(norm: Any) -> Tensor:
    """Returns the variance by which a norm divides in evaluation mode."""
    variance: Tensor = norm.running_std.square() if isinstance(norm, BatchRenorm) else norm.running_var
    return variance


def saturation(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Computes the share of saturated outputs of each sigmoid or tanh."""
    activations = {name: layer.name for name, layer in walk(plan.root) if is_saturating(layer)}
    counts = {name: ShareCounter() for name in activations}

    def count(name: str, outputs: Tensor) -> None:
        slope = outputs * (1 - outputs) if activations[name] == "sigmoid" else 1 - outputs.square()
        counts[name].add(slope < MIN_SLOPES[activations[name]])

    yield from observe_outputs(probe, subject.evaluated, activations, count)
    return {"layers": list(activations), "saturated": [item.share() for item in counts.values()]}


def is_saturating(layer: object) -> TypeGuard[Activation]:
    """Whether a layer is a sigmoid or a tanh, which are flat far from 0."""
    return isinstance(layer, Activation) and layer.name in MIN_SLOPES


def sparsity(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Computes the shares of exact zeros among weights and activations, and of units that are 0 for every row."""
    activations = [name for name, layer in walk(plan.root) if ends_with_activation(layer)]
    counts = {name: ShareCounter() for name in activations}
    dead: dict[str, Tensor] = {}

    def count(name: str, outputs: Tensor) -> None:
        is_zero = outputs == 0
        counts[name].add(is_zero)
        # Units are dimension 1 of the outputs, in vectors and in maps.
        is_dead = is_zero.transpose(0, 1).flatten(1).all(1)
        dead[name] = dead[name] & is_dead if name in dead else is_dead

    yield from observe_outputs(probe, subject.evaluated, activations, count)
    layers = weights_of(plan, subject.evaluated)
    zeros = {name: sum(int((weight == 0).sum()) for weight in weights) for name, weights in layers.items()}
    sizes = {name: sum(weight.numel() for weight in weights) for name, weights in layers.items()}
    return {
        "layers": list(layers),
        "zero_weights": [zeros[name] / sizes[name] for name in layers],
        "zero_weights_in_all": sum(zeros.values()) / sum(sizes.values()),
        "activations": activations,
        "zero_activations": [counts[name].share() for name in activations],
        "dead_units": [float(dead[name].double().mean()) for name in activations],
    }


def can_die(layer: object) -> bool:
    """Whether a layer's units can be 0 for every row, so that they get no gradient any more."""
    if isinstance(layer, DropConnect):
        return layer.activation == "relu"
    return isinstance(layer, Activation) and layer.name == "relu"


def ends_with_activation(layer: object) -> bool:
    """Whether the last operation of a layer is an activation."""
    return isinstance(layer, Activation) or (isinstance(layer, DropConnect) and layer.activation is not None)


def weights_of(plan: Plan, model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Returns the weights of each linear, convolutional or recurrent layer, without biases."""
    weights = {}
    for name, layer in walk(plan.root):
        if isinstance(layer, Affine | Recurrent):
            parameters = model.get_submodule(name).named_parameters()
            # Recurrent layers have several weights, such as `weight_hh_l0`.
            weights[name] = [parameter for inner, parameter in parameters if inner.startswith("weight")]
    return weights


class ShareCounter:
    """Counts true values on the device, so that the CPU need not wait for it."""

    def __init__(self) -> None:
        self.true = torch.zeros((), dtype=torch.int64)
        self.count = 0

    def add(self, values: Tensor) -> None:
        """Counts a tensor of true and false values."""
        # The device is known only with the first tensor.
        self.true = self.true.to(values.device) + values.sum()
        self.count += values.numel()

    def share(self) -> float:
        """Returns the share of true values among all values added so far."""
        return int(self.true) / self.count


def observe_outputs(
    probe: Probe, model: nn.Module, names: Iterable[str], observe: Callable[[str, Tensor], None]
) -> Generator[None, None, None]:
    """Runs the model on the clean probe and passes the outputs of the named layers to `observe`, batch by batch."""
    hooks = [model.get_submodule(name).register_forward_hook(output_hook(name, observe)) for name in names]
    try:
        for inputs in probe.clean_inputs():
            with torch.no_grad():
                model(inputs)
            yield
    finally:
        for hook in hooks:
            hook.remove()


def output_hook(name: str, observe: Callable[[str, Tensor], None]) -> Callable[[nn.Module, Any, Tensor], None]:
    """Returns a forward hook that calls `observe` with the layer's name and its outputs."""
    return lambda _, __, outputs: observe(name, outputs)


@contextmanager
def observe_inputs(model: nn.Module, observers: Mapping[str, Callable[[Tensor], None]]) -> Iterator[None]:
    """Passes the inputs of the named layers to the observers during the block."""
    hooks = [
        model.get_submodule(name).register_forward_pre_hook(input_hook(observe)) for name, observe in observers.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def input_hook(observe: Callable[[Tensor], None]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    """Returns a forward pre-hook that calls `observe` with the layer's inputs."""
    return lambda _, arguments: observe(arguments[0])
