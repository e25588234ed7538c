"""Layers that evaluate with statistics of the training rows."""

from collections.abc import Iterator

from bakehouse.plan.layers import Layer, Norm, walk
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm


def layers_with_statistics(root: Layer) -> Iterator[str]:
    """Their names in the state dict, in the order in which data meet them."""
    for name, layer in walk(root):
        if isinstance(layer, Norm) and isinstance(layer.spec, BatchNorm | BatchRenorm | CrossIterationBatchNorm):
            yield name
