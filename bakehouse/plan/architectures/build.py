"""The layers of a recipe's architecture."""

from typing import assert_never

from bakehouse.plan.architectures.convolutional import cnn, fitnet
from bakehouse.plan.architectures.densenet import densenet
from bakehouse.plan.architectures.feedforward import linear, mlp
from bakehouse.plan.architectures.layer_builder import LayerBuilder
from bakehouse.plan.architectures.recurrent import rnn
from bakehouse.plan.architectures.residual import preresnet, resnet, resnext, wide_resnet
from bakehouse.plan.card import ResolvedData
from bakehouse.plan.heads import width
from bakehouse.plan.layers import Sequential
from bakehouse.recipe.architecture import (
    Cnn,
    Densenet,
    Fitnet,
    Linear,
    Mlp,
    Preresnet,
    Resnet,
    Resnext,
    Rnn,
    WideResnet,
)
from bakehouse.recipe.recipe import Recipe


def grow(recipe: Recipe, data: ResolvedData) -> Sequential:
    """The architecture's layers."""
    chain = LayerBuilder(recipe, data.shape)
    outputs = width(recipe.objective.loss, data.classes)
    match recipe.architecture:
        case Linear():
            return linear(recipe.architecture, chain, outputs)
        case Mlp():
            return mlp(recipe.architecture, chain, outputs)
        case Cnn():
            return cnn(recipe.architecture, chain, outputs)
        case Fitnet():
            return fitnet(recipe.architecture, chain, outputs)
        case Resnet():
            return resnet(recipe.architecture, chain, outputs)
        case Preresnet():
            return preresnet(recipe.architecture, chain, outputs)
        case WideResnet():
            return wide_resnet(recipe.architecture, chain, outputs)
        case Resnext():
            return resnext(recipe.architecture, chain, outputs)
        case Densenet():
            return densenet(recipe.architecture, chain, outputs)
        case Rnn():
            return rnn(recipe.architecture, chain, outputs)
        case _:
            assert_never(recipe.architecture)
