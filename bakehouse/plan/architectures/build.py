"""Chooses the function that builds a recipe's architecture."""

from typing import assert_never

from bakehouse.plan.architectures.convolutional import cnn, fitnet, vgg
from bakehouse.plan.architectures.densenet import densenet
from bakehouse.plan.architectures.feedforward import linear, mlp
from bakehouse.plan.architectures.layer_builder import LayerBuilder
from bakehouse.plan.architectures.recurrent import rnn
from bakehouse.plan.architectures.residual import preresnet, resnet, resnext, wide_resnet
from bakehouse.plan.layers import Sequential
from bakehouse.plan.targets import ResolvedData
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
    Vgg,
    WideResnet,
)
from bakehouse.recipe.recipe import Recipe


def build_layers(recipe: Recipe, data: ResolvedData) -> Sequential:
    """Builds the layers of the recipe's architecture, with its norm and dropout."""
    layers = LayerBuilder(recipe, data.shape, data.encoding)
    outputs = data.main.outputs
    match recipe.architecture:
        case Linear():
            return linear(layers, outputs)
        case Mlp():
            return mlp(recipe.architecture, layers, outputs)
        case Cnn():
            return cnn(recipe.architecture, layers, outputs)
        case Vgg():
            return vgg(recipe.architecture, layers, outputs)
        case Fitnet():
            return fitnet(recipe.architecture, layers, outputs)
        case Resnet():
            return resnet(recipe.architecture, layers, outputs)
        case Preresnet():
            return preresnet(recipe.architecture, layers, outputs)
        case WideResnet():
            return wide_resnet(recipe.architecture, layers, outputs)
        case Resnext():
            return resnext(recipe.architecture, layers, outputs)
        case Densenet():
            return densenet(recipe.architecture, layers, outputs)
        case Rnn():
            return rnn(recipe.architecture, layers, outputs, is_ragged=data.lengths is not None)
        case _:
            assert_never(recipe.architecture)
