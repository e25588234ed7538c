"""Applies penalties, decay, constraints and noise to weights.

L2 is missing here, because it is the optimizer's `weight_decay` (worker/training/optimizer.py).
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Literal, assert_never

import torch
from torch import Tensor, nn

from bakehouse.plan.layers import Layer, norm_names
from bakehouse.plan.plan import Plan
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
from worker.model.modules.dropout import normal_like
from worker.seeds import Seeds
from worker.types import GradientChange, Parameters, Penalty, Projection

Role = Literal["weights", "biases", "norms"]
ParameterGroups = dict[Role, Parameters]
NoisyWeights = Callable[[int], AbstractContextManager[None]]
"""A function from a step to a context in which the weights may be noisy."""


def parameter_groups(root: Layer, model: nn.Module) -> ParameterGroups:
    """Groups the model's parameters by role, without frozen parameters. The plan's layers say which modules are norms,
    so that a new norm needs no entry here."""
    norms = frozenset(norm_names(root))
    groups: ParameterGroups = {"weights": [], "biases": [], "norms": []}
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            # Recurrent layers have several biases, such as `bias_hh_l0`.
            role: Role = "norms" if path in norms else "biases" if name.startswith("bias") else "weights"
            groups[role].append(parameter)
    return groups


def penalized_parameters(spec: L1 | L2 | WeightDecay | WeightNoise, groups: ParameterGroups) -> Parameters:
    """Returns the parameters on which a penalty, decay or noise acts."""
    biases = groups["biases"] if spec.include_biases else []
    norms = groups["norms"] if spec.include_norms else []
    return [*groups["weights"], *biases, *norms]


def gradient_changes(recipe: Recipe, groups: ParameterGroups) -> Iterator[GradientChange]:
    """Yields the changes of gradients before the optimizer's step. Clipping comes first, before terms are added."""
    for spec in recipe.regularizer:
        if isinstance(spec, GradientClip):
            yield partial(clip_gradients, [item for group in groups.values() for item in group], spec.max_norm)
    for spec in recipe.regularizer:
        if isinstance(spec, L1) and spec.method == "subgradient":
            yield partial(add_l1_subgradient, penalized_parameters(spec, groups), spec.coefficient)


def decay_steps(recipe: Recipe, groups: ParameterGroups) -> Iterator[Projection]:
    """Yields the weight-decay updates to apply before the optimizer's step."""
    for spec in recipe.regularizer:
        if isinstance(spec, WeightDecay):
            yield partial(decay, penalized_parameters(spec, groups), spec.coefficient)


def projections(recipe: Recipe, groups: ParameterGroups) -> Iterator[Projection]:
    """Yields the changes of weights to apply after the optimizer's step."""
    for spec in recipe.regularizer:
        match spec:
            case L1(method="proximal"):
                yield partial(soft_threshold, penalized_parameters(spec, groups), spec.coefficient)
            case MaxNorm():
                yield partial(clip_row_norms, groups["weights"], spec.maxnorm)
            case L1() | L2() | WeightDecay() | GradientClip() | WeightNoise() | DropoutPenalty():
                pass
            case _:
                assert_never(spec)


def penalties(plan: Plan, groups: ParameterGroups) -> Iterator[Penalty]:
    """Yields the terms to add to the objective."""
    for spec in plan.recipe.regularizer:
        if isinstance(spec, DropoutPenalty):
            # The plan refuses this penalty for models with hidden layers, so there is one weight matrix.
            [weight] = groups["weights"]
            yield partial(dropout_penalty, weight=weight, rate=spec.rate, loss=plan.loss)


def weight_noise(recipe: Recipe, groups: ParameterGroups) -> NoisyWeights:
    """Returns the context in which gradients are computed: it adds noise to the weights, or does nothing without
    noise."""
    for spec in recipe.regularizer:
        if isinstance(spec, WeightNoise):
            return GaussianWeights(spec, penalized_parameters(spec, groups), Seeds(recipe.seed, "weight_noise"))
    return lambda _: nullcontext()


class GaussianWeights:
    """Adds N(0, variance) to the weights, drawn for each step, while gradients are computed; then restores them."""

    def __init__(self, spec: WeightNoise, parameters: Parameters, seeds: Seeds) -> None:
        self.std = math.sqrt(spec.variance)
        self.parameters = list[Tensor](parameters)
        self.seeds = seeds
        self.generator = torch.Generator(parameters[0].device)
        self.clean = [torch.empty_like(parameter) for parameter in parameters]

    @contextmanager
    def __call__(self, step: int) -> Iterator[None]:
        """Adds the noise of a step to the weights during the block."""
        # No `finally` restores the weights, because an error in the block ends the attempt.
        self.add(step)
        yield
        self.remove()

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Saves the weights and adds the noise of a step."""
        self.generator.manual_seed(self.seeds.at(step))
        torch._foreach_copy_(self.clean, self.parameters)
        for parameter in self.parameters:
            parameter.add_(normal_like(parameter, self.generator), alpha=self.std)

    @torch.no_grad()
    def remove(self) -> None:
        """Restores the saved weights, because subtracting the noise would round them."""
        torch._foreach_copy_(self.parameters, self.clean)


def dropout_penalty(inputs: Tensor, outputs: Tensor, *, weight: Tensor, rate: float, loss: Loss) -> Tensor:
    """Returns rate / (1 - rate) / 2 * sum_j x_j^2 (w_j^T V w_j), averaged over rows. arXiv 1307.1493, section 3."""
    terms = inputs.flatten(1).square() * curvature(outputs, weight, loss)
    return rate / (1 - rate) / 2 * terms.sum(1).mean()


def curvature(outputs: Tensor, weight: Tensor, loss: Loss) -> Tensor:
    """Returns w_j^T V w_j for each row and input j, where V is the second derivative of the loss in the outputs."""
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
        case _:
            assert_never(loss)


@torch.no_grad()
def clip_gradients(parameters: Parameters, max_norm: float, _: float) -> None:
    """Sets g <- g min(1, max_norm / |g|), where |g| is the norm over all parameters together."""
    torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=True)


@torch.no_grad()
def add_l1_subgradient(parameters: Parameters, coefficient: float, _: float) -> None:
    """Sets g <- g + coefficient sign(w)."""
    for parameter in parameters:
        assert parameter.grad is not None
        parameter.grad.add_(parameter.sign(), alpha=coefficient)


@torch.no_grad()
def decay(parameters: Parameters, coefficient: float, lr: float) -> None:
    """Sets w <- w (1 - lr coefficient). arXiv 1711.05101, algorithm 2."""
    torch._foreach_mul_(list[Tensor](parameters), 1 - lr * coefficient)


@torch.no_grad()
def soft_threshold(parameters: Parameters, coefficient: float, lr: float) -> None:
    """Sets w <- sign(w) max(|w| - lr coefficient, 0), the proximal operator of the L1 norm."""
    for parameter in parameters:
        parameter.copy_(torch.nn.functional.softshrink(parameter, lr * coefficient))


@torch.no_grad()
def clip_row_norms(parameters: Parameters, maxnorm: float, _: float) -> None:
    """Sets w <- w min(1, maxnorm / |w|) for the incoming weights w of each unit."""
    for parameter in parameters:
        # Dimension 0 of a weight is the unit: a row of a linear layer, or a filter of a convolution.
        parameter.copy_(torch.renorm(parameter, 2, 0, maxnorm))
