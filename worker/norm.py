"""Normalisation layers in torch."""

from typing import assert_never

from torch import nn

from bakehouse.plan.layers import Norm
from bakehouse.recipe.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm


def norm(layer: Norm) -> nn.Module:
    """Each is torch's own, over rows or maps by the layer's shape."""
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
        case _:
            assert_never(spec)
