"""Defines norms over the batch that torch does not have, and a layer norm that is fast on channels-last maps."""

from collections import OrderedDict
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

Affine = nn.Linear | nn.Conv2d
Moments = tuple[Tensor, Tensor]
"""Mean and biased variance of each channel."""


@torch.no_grad()
def moments(outputs: Tensor) -> Moments:
    """Returns mean and biased variance of each channel over a batch, in at least 32 bits."""
    # This is the kernel of torch's batch norm, 20 times as fast as var_mean on channels-last tensors.
    exact = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    mean, variance = torch.batch_norm_update_stats(exact, None, None, 0.0)
    return mean, variance


class BatchRenorm(nn.Module):
    """Computes gamma (r (x - mean) / s + d) + beta in training, gamma (x - M) / S + beta in evaluation.
    arXiv 1702.03275, algorithms 1 and 2.

    For the first `burn_in` training steps it is batch norm; then the limits of r and d rise linearly until the steps
    `r_max_from` and `d_max_from`.
    """

    def __init__(
        self,
        features: int,
        *,
        burn_in: float,
        r_max_from: float,
        d_max_from: float,
        r_max: float = 3.0,
        d_max: float = 5.0,
        eps: float = 1e-5,
        momentum: float = 0.01,
        affine: bool = True,
    ) -> None:
        super().__init__()
        self.burn_in = burn_in
        self.r_max_from = r_max_from
        self.d_max_from = d_max_from
        self.r_max = r_max
        self.d_max = d_max
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(features)) if affine else None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_std", torch.ones(features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self.running_mean: Tensor
        self.running_std: Tensor
        self.num_batches_tracked: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            return self.renormalized(inputs)
        scale = 1 / self.running_std
        factor, summand = self.affine(scale, -self.running_mean * scale)
        per_channel = (-1, *[1] * (inputs.ndim - 2))
        return inputs * factor.view(per_channel) + summand.view(per_channel)

    def renormalized(self, inputs: Tensor) -> Tensor:
        """Normalises by the batch's mean and deviation, corrected towards the moving averages, and updates these."""
        with torch.no_grad():
            mean, variance = moments(inputs)
            std = (variance + self.eps).sqrt()
            r_max, d_max = self.limits()
            r = (std / self.running_std).clamp(1 / r_max, r_max)
            d = ((mean - self.running_mean) / self.running_std).clamp(-d_max, d_max)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_std.lerp_(std, self.momentum)
            self.num_batches_tracked.add_(1)
        # With r and d as part of gamma and beta, one fused kernel does it, with the gradient of batch statistics.
        return functional.batch_norm(inputs, None, None, *self.affine(r, d), training=True, eps=self.eps)

    def affine(self, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """Returns gamma (scale z + shift) + beta as one factor and one summand."""
        if self.weight is None or self.bias is None:
            return scale, shift
        return self.weight * scale, self.weight * shift + self.bias

    def limits(self) -> tuple[Tensor, Tensor]:
        """Returns r_max and d_max at this step, as tensors so that nothing waits for the GPU."""
        step = self.num_batches_tracked.to(self.running_mean.dtype)
        r_rise = rise(step, self.burn_in, self.r_max_from)
        d_rise = rise(step, self.burn_in, self.d_max_from)
        return 1 + (self.r_max - 1) * r_rise, self.d_max * d_rise


def rise(step: Tensor, start: float, end: float) -> Tensor:
    """Returns 0 before `start`, 1 from `end` on, and a straight line between; a jump if `start` equals `end`."""
    if end <= start:
        # A share of the run is not exact: 0.07 of 100 steps are 7.000000000000001.
        return (step >= end - 1e-6).to(step.dtype)
    return ((step - start) / max(end - start, 1e-9)).clamp(0, 1)


class MapLayerNorm(nn.LayerNorm):
    """Normalises each sample over channels and pixels, (N, C, H, W), as torch's layer norm does. It goes through
    channels-last maps in their own order, where torch would copy them there and back. arXiv 1607.06450."""

    def forward(self, maps: Tensor) -> Tensor:
        if maps.is_contiguous():
            return super().forward(maps)
        weight, bias = (
            learned.permute(1, 2, 0) if self.elementwise_affine else None for learned in (self.weight, self.bias)
        )
        pixels = maps.permute(0, 2, 3, 1)
        return functional.layer_norm(pixels, pixels.shape[1:], weight, bias, self.eps).permute(0, 3, 1, 2)


HISTORY_BUFFERS = ("mean_slopes", "mean_offsets", "square_slopes", "square_offsets")
"""Names of the buffers with one entry for each earlier iteration; a new entry overwrites the oldest one."""


class CrossIterationBatchNorm(nn.Module):
    """Computes gamma (x - mean) / sqrt(var + eps) + beta with statistics of the last iterations, adjusted to the
    present weights of the layer before it. It counts its own training iterations. Yao et al. 2021, arXiv 2002.05712.

    The estimate mu_s + <slope, theta - theta_s> is stored as a slope and an offset mu_s - <slope, theta_s>, which
    replaces theta_s.
    """

    mean_slopes: Tensor
    mean_offsets: Tensor
    square_slopes: Tensor
    square_offsets: Tensor
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        features: int,
        *,
        window: int,
        burn_in: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
    ) -> None:
        super().__init__()
        self.window = window
        self.burn_in = burn_in
        self.eps = eps
        self.momentum = momentum
        self.iteration = 0
        self.weight = nn.Parameter(torch.ones(features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(features)) if affine else None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def follow(self, affine: Affine) -> None:
        """Allocates buffers for earlier iterations of the layer before it; the state dict does not contain them."""
        groups = groups_of(affine)
        units = len(affine.weight) // groups
        fan_in = affine.weight[0].numel()
        shapes = (groups, 1, fan_in), (groups, units), (groups, units, fan_in), (groups, units)
        for name, shape in zip(HISTORY_BUFFERS, shapes, strict=True):
            self.register_buffer(name, torch.zeros(self.window - 1, *shape), persistent=False)

    @property
    def remembered(self) -> int:
        """Number of iterations kept so far; at the end of the burn-in there are as many as the window needs."""
        return self.iteration - max(self.burn_in - self.window + 1, 0)

    def forward(self, outputs: Tensor, inputs: Tensor, affine: Affine) -> Tensor:
        """Normalises `outputs`, which `affine` computed from `inputs`."""
        if self.training:
            self.num_batches_tracked.add_(1)
        if not self.training or self.window == 1:
            return self.batch_norm(outputs)
        present = moments(outputs)
        if self.iteration < self.burn_in:
            normalized = self.batch_norm(outputs)
        else:
            normalized = self.normalized(outputs, *self.over_window(present, affine))
            self.update_averages(present, count=outputs.numel() // outputs.shape[1])
        if self.remembered >= 0:
            self.remember(outputs, inputs, present, affine)
        self.iteration += 1
        return normalized

    def batch_norm(self, outputs: Tensor) -> Tensor:
        """Applies plain batch norm, with the batch's own moments in training and the moving averages in evaluation."""
        averages = self.running_mean, self.running_var
        return functional.batch_norm(outputs, *averages, self.weight, self.bias, self.training, self.momentum, self.eps)

    @torch.no_grad()
    def over_window(self, present: Moments, affine: Affine) -> tuple[Tensor, Tensor, int]:
        """Returns the mean and variance over the window, and the number of iterations in it.

        The variance is computed as (1/k) sum max(nu - mu^2, 0) + var(mu). This equals (1/k) sum max(nu, mu^2) - mean^2,
        but loses fewer digits.
        """
        kept = min(self.remembered, self.window - 1)
        theta = in_groups(affine.weight, affine)
        means, squares = (
            ((slopes[:kept] * theta).sum(3) + offsets[:kept]).flatten(1)
            for slopes, offsets in self.slopes_and_offsets()
        )
        means = torch.cat((present[0][None], means))
        variances = torch.cat((present[1][None], (squares - means[1:].square()).clamp(min=0)))
        return means.mean(0), variances.mean(0) + means.var(0, correction=0), kept + 1

    def normalized(self, outputs: Tensor, mean: Tensor, variance: Tensor, iterations: int) -> Tensor:
        """Returns gamma (x - mean) / sqrt(var + eps) + beta."""
        gamma = torch.ones_like(mean) if self.weight is None else self.weight
        beta = torch.zeros_like(mean) if self.bias is None else self.bias
        settings = self.eps, iterations
        result: Tensor = OverWindow.apply(outputs, gamma, beta, mean, variance, *settings)  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def update_averages(self, present: Moments, *, count: int) -> None:
        """Updates the moving averages with the present moments; the variance is unbiased as in torch's batch norm."""
        # `data` hides the change from autograd: the last pass of the burn-in may be in the same step, and torch's
        # batch norm has saved these averages for its gradient, which does not use them.
        self.running_mean.data.lerp_(present[0], self.momentum)
        self.running_var.data.lerp_(present[1] * (count / max(count - 1, 1)), self.momentum)

    @torch.no_grad()
    def remember(self, outputs: Tensor, inputs: Tensor, present: Moments, affine: Affine) -> None:
        """Stores this iteration in place of the oldest one."""
        mean, variance = present
        outputs = outputs.to(mean.dtype)
        inputs = inputs.to(mean.dtype)
        with torch.autocast(outputs.device.type, enabled=False):
            of_mean = mean_slope(inputs, affine)
            of_square = square_slope(outputs, inputs, affine)
        theta = in_groups(affine.weight, affine)
        slot = self.remembered % (self.window - 1)
        lines = (of_mean, mean), (of_square, variance + mean.square())
        for (slope, value), (slopes, offsets) in zip(lines, self.slopes_and_offsets(), strict=True):
            slopes[slot] = slope
            offsets[slot] = value.view_as(offsets[slot]) - (slope * theta).sum(2)

    def slopes_and_offsets(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Returns slopes and offsets of the means mu, and of the mean squares nu."""
        return (self.mean_slopes, self.mean_offsets), (self.square_slopes, self.square_offsets)


class OverWindow(torch.autograd.Function):
    """Normalises with given statistics, of which the present batch has a share of 1/k. With g = gamma dy, the gradient
    is dx = (g - (mean g + xhat mean(g xhat)) / k) / sqrt(var + eps)."""

    @staticmethod
    def forward(
        ctx: Any, outputs: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, eps: float, k: int
    ) -> Tensor:
        ctx.save_for_backward(outputs, gamma, mean, variance)
        ctx.eps = eps
        ctx.k = k
        return functional.batch_norm(outputs, mean, variance, gamma, beta, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        outputs, gamma, mean, variance = ctx.saved_tensors
        inverse = (variance + ctx.eps).rsqrt()
        # This is torch's own gradient for batch norm with gamma / k; the rest of g / sqrt(var + eps) is added below.
        of_outputs, of_gamma, of_beta = torch.ops.aten.native_batch_norm_backward(
            gradients[0], outputs, gamma / ctx.k, None, None, mean, inverse, True, ctx.eps, [True, True, True]
        )
        rest = gamma * inverse * (1 - 1 / ctx.k)
        of_outputs.addcmul_(gradients[0], rest.view(-1, *[1] * (outputs.ndim - 2)))
        return of_outputs, of_gamma, of_beta, None, None, None, None


class CompensatedSequence(nn.Sequential):
    """Applies layers one after the other; cross-iteration batch norms also get the layer before them and its inputs."""

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = inputs
        affine = None
        for layer in self:
            if isinstance(layer, CrossIterationBatchNorm):
                outputs = layer(outputs, inputs, affine)
            else:
                inputs, outputs, affine = outputs, layer(outputs), layer
        return outputs


def compensated(**layers: nn.Module) -> CompensatedSequence:
    """Builds a sequence of named layers, and prepares each cross-iteration batch norm for the layer before it."""
    for affine, layer in pairwise(layers.values()):
        if isinstance(layer, CrossIterationBatchNorm):
            assert isinstance(affine, Affine)
            layer.follow(affine)
    return CompensatedSequence(OrderedDict(layers))


def reset_counters(model: nn.Module) -> None:
    """Lets all norms in a model count their steps from 0; their statistics stay."""
    for module in model.modules():
        if isinstance(module, CrossIterationBatchNorm):
            module.iteration = 0
        if isinstance(count := getattr(module, "num_batches_tracked", None), Tensor):
            count.zero_()


def groups_of(affine: Affine) -> int:
    """Returns the number of groups of input channels; no weight connects two groups."""
    return affine.groups if isinstance(affine, nn.Conv2d) else 1


def in_groups(weight: Tensor, affine: Affine) -> Tensor:
    """Reshapes weights to (groups, units of a group, inputs of a unit)."""
    return weight.reshape(groups_of(affine), -1, weight[0].numel())


def mean_slope(inputs: Tensor, affine: Affine) -> Tensor:
    """Returns dmu_j/dtheta_j = mean a, the same for all units of a group; for a convolution, the mean patch."""
    mean = inputs.mean(0, keepdim=True)
    if isinstance(affine, nn.Conv2d):
        assert not isinstance(affine.padding, str)
        settings = affine.kernel_size, affine.dilation, affine.padding, affine.stride
        mean = functional.unfold(mean, *settings).mean(2)
    return mean.view(groups_of(affine), 1, -1)


def square_slope(outputs: Tensor, inputs: Tensor, affine: Affine) -> Tensor:
    """Returns dnu_j/dtheta_j = 2 mean x_j a, which is 2 / count times the weights' gradient if x had the gradient x."""
    if isinstance(affine, nn.Conv2d):
        settings = affine.stride, affine.padding, affine.dilation, affine.groups
        slope: Tensor = conv2d_weight(inputs, affine.weight.shape, outputs, *settings)  # type: ignore[no-untyped-call]
    else:
        slope = outputs.mT @ inputs
    return in_groups(slope, affine) * (2 * outputs.shape[1] / outputs.numel())
