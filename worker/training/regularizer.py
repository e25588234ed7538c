"""Penalties, decay, constraints and noise on weights, in torch.

L2 is not here: it is the optimizer's `weight_decay` (worker/training/optimizer.py).
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Literal, assert_never

import torch
from torch import Tensor, nn

from bakehouse.recipe.objective import Loss
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import (
    L1,
    L2,
    DropoutPenalty,
    GradientClip,
    MaxNorm,
    WeightDecay,
    WeightNoise,
)
from worker.model.cross_iteration_batch_norm import CrossIterationBatchNormLayer
from worker.model.norm import BatchRenormLayer
from worker.seeds import Seeds
from worker.types import GradientChange, Parameters, Penalty, Projection

Role = Literal["weights", "biases", "norms"]
ParameterGroups = dict[Role, Parameters]

NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.LayerNorm, nn.GroupNorm, BatchRenormLayer,
    CrossIterationBatchNormLayer,
)  # fmt: skip


def parameter_groups(model: nn.Module) -> ParameterGroups:
    """The model's parameters by what they are; frozen ones are not among them."""
    found: ParameterGroups = {"weights": [], "biases": [], "norms": []}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            role: Role = "norms" if isinstance(module, NORMS) else "biases" if name.startswith("bias") else "weights"
            found[role].append(parameter)
    return found


def penalized_parameters(spec: L1 | L2 | WeightDecay | WeightNoise, parameter_groups: ParameterGroups) -> Parameters:
    """The parameters that a penalty or decay looks at."""
    biases = parameter_groups["biases"] if spec.include_biases else []
    norms = parameter_groups["norms"] if spec.include_norms else []
    return [*parameter_groups["weights"], *biases, *norms]


def gradient_changes(recipe: Recipe, parameter_groups: ParameterGroups) -> Iterator[GradientChange]:
    """What happens to gradients before the step; they are clipped before anything is added."""
    for spec in recipe.regularizer:
        if isinstance(spec, GradientClip):
            yield partial(clip, [item for group in parameter_groups.values() for item in group], spec.max_norm)
    for spec in recipe.regularizer:
        if isinstance(spec, L1) and spec.method == "subgradient":
            yield partial(add_l1_subgradient, penalized_parameters(spec, parameter_groups), spec.coefficient)


def decay_steps(recipe: Recipe, parameter_groups: ParameterGroups) -> Iterator[Projection]:
    """What happens to weights before the optimizer's step."""
    for spec in recipe.regularizer:
        if isinstance(spec, WeightDecay):
            yield partial(decay, penalized_parameters(spec, parameter_groups), spec.coefficient)


def projections(recipe: Recipe, parameter_groups: ParameterGroups) -> Iterator[Projection]:
    """What happens to weights after it."""
    for spec in recipe.regularizer:
        match spec:
            case L1(method="proximal"):
                yield partial(soft_threshold, penalized_parameters(spec, parameter_groups), spec.coefficient)
            case MaxNorm():
                yield partial(clip_row_norms, parameter_groups["weights"], spec.maxnorm)
            case L1() | L2() | WeightDecay() | GradientClip() | WeightNoise() | DropoutPenalty():
                pass
            case _:
                assert_never(spec)


def penalties(recipe: Recipe, parameter_groups: ParameterGroups) -> Iterator[Penalty]:
    """What is added to the objective."""
    for spec in recipe.regularizer:
        if isinstance(spec, DropoutPenalty):
            [weight] = parameter_groups["weights"]
            yield partial(dropout_penalty, weight=weight, rate=spec.rate, loss=recipe.objective.loss)


class Noise:
    """Noisy weights while a gradient is taken."""

    def __init__(self, spec: WeightNoise, parameters: Parameters, seeds: Seeds) -> None:
        self.std, self.parameters, self.seeds = math.sqrt(spec.variance), list[Tensor](parameters), seeds
        self.generator = torch.Generator(parameters[0].device)
        self.clean = [torch.empty_like(parameter) for parameter in parameters]

    @torch.no_grad()
    def add(self, step: int) -> None:
        """w + N(0, variance), drawn for this step."""
        self.generator.manual_seed(self.seeds.at(step))
        torch._foreach_copy_(self.clean, self.parameters)
        for parameter in self.parameters:
            noise = torch.empty_like(parameter).normal_(std=self.std, generator=self.generator)
            parameter.add_(noise)

    @torch.no_grad()
    def remove(self) -> None:
        """The same bits as before: a difference would be rounded."""
        torch._foreach_copy_(self.parameters, self.clean)


def noise(recipe: Recipe, parameter_groups: ParameterGroups) -> Noise | None:
    """None where the recipe has no noise."""
    for spec in recipe.regularizer:
        if isinstance(spec, WeightNoise):
            return Noise(spec, penalized_parameters(spec, parameter_groups), Seeds(recipe.seed, "weight_noise"))
    return None


def dropout_penalty(inputs: Tensor, outputs: Tensor, *, weight: Tensor, rate: float, loss: Loss | None) -> Tensor:
    """rate / (1 - rate) / 2 * sum_j x_j^2 (w_j^T V w_j), the mean over rows. arXiv 1307.1493, section 3."""
    terms = inputs.flatten(1).square() * curvature(outputs, weight, loss)
    return rate / (1 - rate) / 2 * terms.sum(1).mean()


def curvature(outputs: Tensor, weight: Tensor, loss: Loss | None) -> Tensor:
    """w_j^T V w_j for each row and input j, where V is the loss's second derivative in the outputs."""
    match loss:
        case "squared_error":
            return 2 * weight.square()
        case "binary_cross_entropy":
            p = torch.sigmoid(outputs)
            return p * (1 - p) * weight.square()
        case "poisson":
            return outputs.exp() * weight.square()
        case "cross_entropy":
            p = torch.softmax(outputs, 1)
            return p @ weight.square() - (p @ weight).square()
        case None:
            raise AssertionError("a canonical recipe names its loss")
        case _:
            assert_never(loss)


@torch.no_grad()
def clip(parameters: Parameters, max_norm: float, _: float) -> None:
    """g <- g min(1, max_norm / |g|), over all parameters together."""
    torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=True)


@torch.no_grad()
def add_l1_subgradient(parameters: Parameters, coefficient: float, _: float) -> None:
    """g <- g + coefficient sign(w)."""
    for parameter in parameters:
        assert parameter.grad is not None
        parameter.grad.add_(parameter.sign(), alpha=coefficient)


@torch.no_grad()
def decay(parameters: Parameters, coefficient: float, lr: float) -> None:
    """w <- w (1 - lr coefficient). arXiv 1711.05101, algorithm 2."""
    torch._foreach_mul_(list[Tensor](parameters), 1 - lr * coefficient)


@torch.no_grad()
def soft_threshold(parameters: Parameters, coefficient: float, lr: float) -> None:
    """w <- sign(w) max(|w| - lr coefficient, 0): the proximal operator of the L1 norm."""
    for parameter in parameters:
        parameter.copy_(torch.nn.functional.softshrink(parameter, lr * coefficient))


@torch.no_grad()
def clip_row_norms(parameters: Parameters, maxnorm: float, _: float) -> None:
    """Each unit's incoming weights scaled to length `maxnorm` where longer."""
    for parameter in parameters:
        parameter.copy_(torch.renorm(parameter, 2, 0, maxnorm))
