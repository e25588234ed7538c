"""Batch norm over the last iterations, in torch. Yao et al. 2021, arXiv 2002.05712."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from bakehouse.recipe.norm import CrossIterationBatchNorm

Affine = nn.Linear | nn.Conv2d
Moments = tuple[Tensor, Tensor]
"""Mean and variance of each channel."""
RINGS = ("mean_slopes", "mean_offsets", "square_slopes", "square_offsets")


class CrossIterationBatchNormLayer(nn.Module):
    """gamma (x - mean) / sqrt(var + eps) + beta with statistics of the last iterations, carried to the present
    weights of the layer before. It counts its own training iterations.

    A line mu_s + <slope, theta - theta_s> is kept as slope and offset mu_s - <slope, theta_s>, without theta_s.
    """

    mean_slopes: Tensor
    mean_offsets: Tensor
    square_slopes: Tensor
    square_offsets: Tensor
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, spec: CrossIterationBatchNorm, features: int) -> None:
        super().__init__()
        self.spec = spec
        self.run_steps = 1
        """Optimizer steps of the whole run, for a burn-in in shares of it."""
        self.iteration = 0
        self.weight = nn.Parameter(torch.ones(features)) if spec.affine else None
        self.bias = nn.Parameter(torch.zeros(features)) if spec.affine else None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def follow(self, affine: Affine) -> None:
        """Makes room for earlier iterations of the layer before; a ring, which is no part of a checkpoint."""
        groups = groups_of(affine)
        units, fan_in = len(affine.weight) // groups, affine.weight[0].numel()
        slots = self.spec.window - 1
        shapes = (groups, 1, fan_in), (groups, units), (groups, units, fan_in), (groups, units)
        for name, shape in zip(RINGS, shapes, strict=True):
            self.register_buffer(name, torch.zeros(slots, *shape), persistent=False)

    @property
    def burn_in(self) -> int:
        """Iterations of plain batch norm."""
        return ceil(self.spec.plain_until * (self.run_steps if self.spec.unit == "run" else 1))

    @property
    def remembered(self) -> int:
        """Iterations kept so far: at the end of the burn-in as many as the window wants."""
        return self.iteration - max(self.burn_in - self.spec.window + 1, 0)

    def forward(self, outputs: Tensor, inputs: Tensor, affine: Affine) -> Tensor:
        """Normalises what `affine` makes of `inputs`."""
        if self.training:
            self.num_batches_tracked.add_(1)
        if not self.training or self.spec.window == 1:
            return self.batch_norm(outputs)
        present = moments(outputs)
        if self.iteration < self.burn_in:
            normalized = self.batch_norm(outputs)
        else:
            normalized = self.normalized(outputs, *self.over_window(present, affine))
            self.move(present, count=outputs.numel() // outputs.shape[1])
        if self.remembered >= 0:
            self.remember(outputs, inputs, present, affine)
        self.iteration += 1
        return normalized

    def batch_norm(self, outputs: Tensor) -> Tensor:
        """By the batch's own moments; in evaluation by the moving averages."""
        moving = self.running_mean, self.running_var
        momentum, eps = self.spec.momentum, self.spec.eps
        return functional.batch_norm(outputs, *moving, self.weight, self.bias, self.training, momentum, eps)

    @torch.no_grad()
    def over_window(self, present: Moments, affine: Affine) -> tuple[Tensor, Tensor, int]:
        """Mean, variance and iterations of the window.

        (1/k) sum max(nu - mu^2, 0) + variance of the mu is (1/k) sum max(nu, mu^2) - mean^2, and loses fewer digits.
        """
        kept = min(self.remembered, self.spec.window - 1)
        theta = in_groups(affine.weight, affine)
        means, squares = (
            ((slopes[:kept] * theta).sum(3) + offsets[:kept]).flatten(1) for slopes, offsets in self.rings()
        )
        means = torch.cat((present[0][None], means))
        variances = torch.cat((present[1][None], (squares - means[1:].square()).clamp(min=0)))
        return means.mean(0), variances.mean(0) + means.var(0, correction=0), kept + 1

    def normalized(self, outputs: Tensor, mean: Tensor, variance: Tensor, iterations: int) -> Tensor:
        """gamma (x - mean) / sqrt(var + eps) + beta."""
        gamma = torch.ones_like(mean) if self.weight is None else self.weight
        beta = torch.zeros_like(mean) if self.bias is None else self.bias
        settings = self.spec.eps, iterations
        result: Tensor = OverWindow.apply(outputs, gamma, beta, mean, variance, *settings)  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def move(self, present: Moments, *, count: int) -> None:
        """Moving averages of the present batch's moments, the variance unbiased as in torch's batch norm."""
        # `data`: the last pass of the burn-in may be in the same step, and torch's batch norm saves them for its
        # gradient, which does not look at them.
        self.running_mean.data.lerp_(present[0], self.spec.momentum)
        self.running_var.data.lerp_(present[1] * (count / max(count - 1, 1)), self.spec.momentum)

    @torch.no_grad()
    def remember(self, outputs: Tensor, inputs: Tensor, present: Moments, affine: Affine) -> None:
        """Writes this iteration over the oldest one."""
        mean, variance = present
        outputs, inputs = outputs.to(mean.dtype), inputs.to(mean.dtype)
        with torch.autocast(outputs.device.type, enabled=False):
            of_mean, of_square = mean_slope(inputs, affine), square_slope(outputs, inputs, affine)
        theta, slot = in_groups(affine.weight, affine), self.remembered % (self.spec.window - 1)
        lines = (of_mean, mean), (of_square, variance + mean.square())
        for (slope, value), (slopes, offsets) in zip(lines, self.rings(), strict=True):
            slopes[slot] = slope
            offsets[slot] = value.view_as(offsets[slot]) - (slope * theta).sum(2)

    def rings(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Slopes and offsets of mu, and of nu."""
        return (self.mean_slopes, self.mean_offsets), (self.square_slopes, self.square_offsets)


class OverWindow(torch.autograd.Function):
    """dx = (g - (mean g + xhat mean(g xhat)) / k) / sqrt(var + eps), g = gamma dy: the share 1/k of the statistics is
    the present batch's."""

    @staticmethod
    def forward(
        ctx: Any, outputs: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, eps: float, k: int
    ) -> Tensor:
        ctx.save_for_backward(outputs, gamma, mean, variance)
        ctx.eps, ctx.k = eps, k
        return functional.batch_norm(outputs, mean, variance, gamma, beta, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        outputs, gamma, mean, variance = ctx.saved_tensors
        inverse = (variance + ctx.eps).rsqrt()
        # Torch's own gradient for batch norm, at 1/k of gamma; the rest of g / sqrt(var + eps) comes on top.
        of_outputs, of_gamma, of_beta = torch.ops.aten.native_batch_norm_backward(
            gradients[0], outputs, gamma / ctx.k, None, None, mean, inverse, True, ctx.eps, [True, True, True]
        )
        rest = gamma * inverse * (1 - 1 / ctx.k)
        of_outputs.addcmul_(gradients[0], rest.view(-1, *[1] * (outputs.ndim - 2)))
        return of_outputs, of_gamma, of_beta, None, None, None, None


class CompensatedSequence(nn.Sequential):
    """Layers one after the other; a cross-iteration batch norm is also given the layer before it with its inputs."""

    def forward(self, inputs: Tensor) -> Tensor:
        outputs, affine = inputs, None
        for layer in self:
            if isinstance(layer, CrossIterationBatchNormLayer):
                outputs = layer(outputs, inputs, affine)
            else:
                inputs, outputs, affine = outputs, layer(outputs), layer
        return outputs


def compensated(layers: OrderedDict[str, nn.Module]) -> CompensatedSequence:
    """The sequence, its norms with room for what is to be remembered of the layer before."""
    for affine, layer in pairwise(layers.values()):
        if isinstance(layer, CrossIterationBatchNormLayer):
            assert isinstance(affine, Affine)
            layer.follow(affine)
    return CompensatedSequence(layers)


class Histories:
    """What the cross-iteration batch norms of a model remember, for a run that is resumed."""

    def __init__(self, layers: Mapping[str, CrossIterationBatchNormLayer]) -> None:
        self.layers = layers

    def state_dict(self) -> dict[str, Any]:
        """Iterations, and the rings under the layers' names."""
        found: dict[str, Any] = {f"{name}.iteration": layer.iteration for name, layer in self.layers.items()}
        return found | dict(self.rings())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes them up."""
        for name, layer in self.layers.items():
            layer.iteration = state[f"{name}.iteration"]
        for name, ring in self.rings():
            ring.copy_(state[name])

    def rings(self) -> Iterator[tuple[str, Tensor]]:
        """Those of all layers, by name."""
        for name, layer in self.layers.items():
            yield from ((f"{name}.{field}", getattr(layer, field)) for field in RINGS)


def histories(model: nn.Module) -> Histories:
    """The histories of all such norms in a model; empty where it has none."""
    named = model.named_modules()
    layers = {name: layer for name, layer in named if isinstance(layer, CrossIterationBatchNormLayer)}
    return Histories(layers)


@torch.no_grad()
def moments(outputs: Tensor) -> Moments:
    """Of each channel over a batch, the variance biased; of 16 bits in 32."""
    # The kernel of torch's batch norm: 20 times as fast as var_mean where channels stand last.
    exact = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    mean, variance = torch.batch_norm_update_stats(exact, None, None, 0.0)
    return mean, variance


def groups_of(affine: Affine) -> int:
    """Parts of the inputs that no weight joins."""
    return affine.groups if isinstance(affine, nn.Conv2d) else 1


def in_groups(weight: Tensor, affine: Affine) -> Tensor:
    """(groups, units of a group, inputs of a unit)."""
    return weight.reshape(groups_of(affine), -1, weight[0].numel())


def mean_slope(inputs: Tensor, affine: Affine) -> Tensor:
    """dmu_j/dtheta_j = mean a, the same for all units of a group; of a convolution the mean patch."""
    mean = inputs.mean(0, keepdim=True)
    if isinstance(affine, nn.Conv2d):
        assert not isinstance(affine.padding, str)
        settings = affine.kernel_size, affine.dilation, affine.padding, affine.stride
        mean = functional.unfold(mean, *settings).mean(2)
    return mean.view(groups_of(affine), 1, -1)


def square_slope(outputs: Tensor, inputs: Tensor, affine: Affine) -> Tensor:
    """dnu_j/dtheta_j = 2 mean x_j a: 2 over the count of the weights' gradient where that of x is x."""
    if isinstance(affine, nn.Conv2d):
        settings = affine.stride, affine.padding, affine.dilation, affine.groups
        slope: Tensor = conv2d_weight(inputs, affine.weight.shape, outputs, *settings)  # type: ignore[no-untyped-call]
    else:
        slope = outputs.mT @ inputs
    return in_groups(slope, affine) * (2 * outputs.shape[1] / outputs.numel())
