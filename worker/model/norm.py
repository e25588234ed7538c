"""Normalisation layers in torch."""

from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from bakehouse.plan.layers import Norm
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm, GroupNorm, InstanceNorm, LayerNorm
from worker.model.cross_iteration_batch_norm import CrossIterationBatchNormLayer, moments


def norm(layer: Norm) -> nn.Module:
    """Each over rows or maps by the layer's shape; all but two are torch's own."""
    spec, features, is_map = layer.spec, layer.input[0], len(layer.input) == 3
    match spec:
        case BatchNorm():
            kind = nn.BatchNorm2d if is_map else nn.BatchNorm1d
            return kind(features, eps=spec.eps, momentum=spec.momentum, affine=spec.affine)
        case LayerNorm():
            return nn.LayerNorm(layer.input, eps=spec.eps, elementwise_affine=spec.elementwise_affine)
        case InstanceNorm():
            return nn.InstanceNorm2d(features, eps=spec.eps, affine=spec.affine)
        case GroupNorm():
            return nn.GroupNorm(spec.num_groups, features, eps=spec.eps, affine=spec.affine)
        case BatchRenorm():
            return BatchRenormLayer(spec, features)
        case CrossIterationBatchNorm():
            return CrossIterationBatchNormLayer(spec, features)
        case _:
            assert_never(spec)


class BatchRenormLayer(nn.Module):
    """y = gamma (r (x - mean) / s + d) + beta in training, gamma (x - M) / S + beta in evaluation.
    arXiv 1702.03275, algorithms 1 and 2."""

    def __init__(self, spec: BatchRenorm, features: int) -> None:
        super().__init__()
        self.spec = spec
        self.run_steps = 1
        """Optimizer steps of the whole run, for a schedule in shares of it."""
        self.weight = nn.Parameter(torch.ones(features)) if spec.affine else None
        self.bias = nn.Parameter(torch.zeros(features)) if spec.affine else None
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
        return scaled(inputs, *self.affine(scale, -self.running_mean * scale))

    def renormalized(self, inputs: Tensor) -> Tensor:
        """By the batch's own mean and deviation, corrected towards the moving ones, which then move."""
        with torch.no_grad():
            mean, variance = moments(inputs)
            std = (variance + self.spec.eps).sqrt()
            r_max, d_max = self.limits()
            r = (std / self.running_std).clamp(1 / r_max, r_max)
            d = ((mean - self.running_mean) / self.running_std).clamp(-d_max, d_max)
            self.running_mean.lerp_(mean, self.spec.momentum)
            self.running_std.lerp_(std, self.spec.momentum)
            self.num_batches_tracked.add_(1)
        # r and d as part of gamma and beta: one fused kernel, whose gradient is that of the batch's statistics.
        return functional.batch_norm(inputs, None, None, *self.affine(r, d), training=True, eps=self.spec.eps)

    def affine(self, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """gamma (scale z + shift) + beta as one factor and one summand."""
        if self.weight is None or self.bias is None:
            return scale, shift
        return self.weight * scale, self.weight * shift + self.bias

    def limits(self) -> tuple[Tensor, Tensor]:
        """r_max and d_max at this step; tensors, so that a GPU is not waited for."""
        spec, unit = self.spec, self.run_steps if self.spec.unit == "run" else 1
        step = self.num_batches_tracked.to(self.running_mean.dtype)
        r_risen, d_risen = (risen(step, spec.plain_until * unit, end * unit) for end in (spec.r_max_at, spec.d_max_at))
        return 1 + (spec.r_max - 1) * r_risen, spec.d_max * d_risen


def risen(step: Tensor, start: float, end: float) -> Tensor:
    """0 up to `start`, 1 from `end` on, a straight line between."""
    return ((step - start) / max(end - start, 1e-9)).clamp(0, 1)


def scaled(inputs: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """x * scale + shift by channel."""
    per_channel = (-1, *[1] * (inputs.ndim - 2))
    return inputs * scale.view(per_channel) + shift.view(per_channel)
