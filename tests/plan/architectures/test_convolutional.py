"""VGG against the tables of the papers."""

import pytest

from bakehouse.plan.layers import Conv, Linear, Pool, walk
from tests.plan.cards import Document, image_card, planned

VGG: Document = {"type": "vgg"}


@pytest.mark.parametrize(
    ("depth", "parameters"), [(11, 132_863_336), (13, 133_047_848), (16, 138_357_544), (19, 143_667_240)]
)
def test_at_224_pixels_vgg_has_the_papers_parameters(depth: int, parameters: int) -> None:
    spec = {**VGG, "depth": depth, "hidden": [4096, 4096]}
    plan = planned({"architecture": spec}, image_card(classes=1000, side=224))
    assert plan.estimate.parameters == parameters
    # Table 2: in millions.
    assert round(parameters / 1e6) == {11: 133, 13: 133, 16: 138, 19: 144}[depth]
    assert sum(isinstance(layer, Conv | Linear) for _, layer in walk(plan.root)) == depth


def test_vgg_16_for_cifar_10_is_that_of_the_literature() -> None:
    """Table 1 of Li et al. 2017, arXiv 1608.08710: 3.13e8 multiplications, 1.5e7 parameters, one hidden layer."""
    plan = planned({"architecture": {**VGG, "hidden": 512}}, image_card())
    layers = [layer for _, layer in walk(plan.root) if isinstance(layer, Conv | Linear)]
    assert f"{sum(layer.flops for layer in layers) / 2:.2e}" == "3.13e+08"
    assert f"{plan.estimate.parameters:.1e}" == "1.5e+07"


@pytest.mark.parametrize(("side", "sides"), [(32, [16, 8, 4, 2, 1]), (8, [4, 2, 1]), (9, [4, 2, 1]), (1, [])])
def test_vgg_pools_while_two_pixels_are_left(side: int, sides: list[int]) -> None:
    plan = planned({"architecture": {**VGG, "width": 2}}, image_card(side=side))
    pools = [layer.output for _, layer in walk(plan.root) if isinstance(layer, Pool)]
    assert [height for _, height, _ in pools] == sides
    assert [channels for channels, _, _ in pools] == [2, 4, 8, 16, 16][: len(sides)]
