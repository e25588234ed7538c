"""Diagnostics that look at single layers: their inputs, outputs and weights."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bakehouse.plan.checks.norm import layers_with_statistics
from bakehouse.plan.layers import Activation, Affine, DropConnect, Recurrent, walk
from bakehouse.plan.plan import Plan
from worker.diagnostics.probe import Probe, Subject, Values
from worker.model.modules import BatchRenorm
from worker.model.moments import Moments

FLAT = {"sigmoid": 0.01, "tanh": 0.04}
"""Slopes below which an activation is saturated: a (1 - a), and 1 - a^2, which is 4 times that at half the input."""


def variance_shift(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """The variance that each batch norm divides by, and that of its inputs. Li et al. 2018, arXiv 1801.05134."""
    model, names = subject.evaluated, list(layers_with_statistics(plan.root))
    moments = {name: Moments() for name in names}
    with inputs_of(model, {name: moments[name].add for name in names}):
        for drawn in probe.drawn(subject.epoch, mixed=False):
            with torch.no_grad():
                model[1:](drawn.inputs)
            yield
    moving = torch.stack([variance_of(model.get_submodule(name)).double().mean() for name in names])
    real = torch.stack([moments[name].variance(correction=1).mean() for name in names])
    ratio = torch.maximum(real / moving, moving / real)
    numbers = {"moving": moving.tolist(), "real": real.tolist(), "ratio": ratio.tolist()}
    return {"layers": names, **numbers, "worst_ratio": float(ratio.max())}


def variance_of(norm: Any) -> Tensor:
    """What evaluation divides by, squared."""
    found: Tensor = norm.running_std.square() if isinstance(norm, BatchRenorm) else norm.running_var
    return found


def saturation(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Share of the outputs of each sigmoid or tanh where its slope is small."""
    flat = {
        name: FLAT[layer.name]
        for name, layer in walk(plan.root)
        if isinstance(layer, Activation) and layer.name in FLAT
    }
    sums = {name: Share() for name in flat}

    def look(name: str, outputs: Tensor) -> None:
        slope = outputs * (1 - outputs) if flat[name] == FLAT["sigmoid"] else 1 - outputs.square()
        sums[name].add(slope < flat[name])

    yield from look_at_outputs(probe, subject.evaluated, flat, look)
    return {"layers": list(flat), "saturated": [item.share() for item in sums.values()]}


def sparsity(plan: Plan, probe: Probe, subject: Subject) -> Generator[None, None, Values]:
    """Exact zeros among weights and activations."""
    active = [name for name, layer in walk(plan.root) if is_active(layer)]
    sums = {name: Share() for name in active}
    dead: dict[str, Tensor] = {}

    def look(name: str, outputs: Tensor) -> None:
        zeros = outputs == 0
        sums[name].add(zeros)
        everywhere = zeros.transpose(0, 1).flatten(1).all(1)
        dead[name] = dead[name] & everywhere if name in dead else everywhere

    yield from look_at_outputs(probe, subject.evaluated, active, look)
    found = weights_of(plan, subject.evaluated)
    zeros = {name: sum(int((weight == 0).sum()) for weight in weights) for name, weights in found.items()}
    counts = {name: sum(weight.numel() for weight in weights) for name, weights in found.items()}
    return {
        "layers": list(found),
        "zero_weights": [zeros[name] / counts[name] for name in found],
        "zero_weights_in_all": sum(zeros.values()) / sum(counts.values()),
        "activations": active,
        "zero_activations": [sums[name].share() for name in active],
        "dead_units": [float(dead[name].double().mean()) for name in active],
    }


def is_active(layer: object) -> bool:
    """Whether a layer ends with an activation."""
    return isinstance(layer, Activation) or (isinstance(layer, DropConnect) and layer.activation is not None)


def weights_of(plan: Plan, model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Weights of each layer that has some, without biases."""
    found = {}
    for name, layer in walk(plan.root):
        if isinstance(layer, Affine | Recurrent):
            parameters = model.get_submodule(name).named_parameters()
            found[name] = [parameter for own, parameter in parameters if own.startswith("weight")]
    return found


class Share:
    """How many of many things are so; counted on the device."""

    def __init__(self) -> None:
        self.chosen, self.count = torch.zeros((), dtype=torch.int64), 0

    def add(self, chosen: Tensor) -> None:
        """True and false."""
        self.chosen = self.chosen.to(chosen.device) + chosen.sum()
        self.count += chosen.numel()

    def share(self) -> float:
        """Of those that are."""
        return int(self.chosen) / self.count


def look_at_outputs(
    probe: Probe, model: nn.Module, names: Iterable[str], look: Callable[[str, Tensor], None]
) -> Generator[None, None, None]:
    """Shows what layers give on the clean probe, batch by batch."""
    hooks = [model.get_submodule(name).register_forward_hook(shown(name, look)) for name in names]
    try:
        for inputs in probe.clean():
            with torch.no_grad():
                model(inputs)
            yield
    finally:
        for hook in hooks:
            hook.remove()


def shown(name: str, look: Callable[[str, Tensor], None]) -> Callable[[nn.Module, Any, Tensor], None]:
    """A layer's forward hook."""
    return lambda _, __, outputs: look(name, outputs)


@contextmanager
def inputs_of(model: nn.Module, looks: Mapping[str, Callable[[Tensor], None]]) -> Iterator[None]:
    """While it lasts, shows what layers are given."""
    hooks = [model.get_submodule(name).register_forward_pre_hook(given(look)) for name, look in looks.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def given(look: Callable[[Tensor], None]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    """A layer's forward pre-hook."""
    return lambda _, arguments: look(arguments[0])
