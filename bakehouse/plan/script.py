"""A plan as a plain PyTorch script, for people who have the weights and not Bakehouse."""

import json
import re
from collections.abc import Iterator
from itertools import takewhile
from typing import assert_never

from bakehouse.plan.definitions import definitions
from bakehouse.plan.heads import Head
from bakehouse.plan.layers import (
    Activation,
    Affine,
    Conv,
    Denormalize,
    DenseConcat,
    DropConnect,
    Dropout,
    Exponential,
    Flatten,
    Heads,
    Layer,
    Linear,
    Norm,
    Normalize,
    Pool,
    Recurrent,
    Residual,
    Rows,
    Sequential,
    Shape,
    Subsample,
    Units,
)
from bakehouse.plan.plan import Plan
from bakehouse.plan.recurrent_code import name_of
from bakehouse.recipe import dropout as recipe
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm, GroupNorm, InstanceNorm, LayerNorm

Named = tuple[str, Layer]

ACTIVATIONS = {
    "relu": "nn.ReLU()", "leaky_relu": "nn.LeakyReLU()", "gelu": "nn.GELU()", "silu": "nn.SiLU()", "tanh": "nn.Tanh()",
    "sigmoid": "nn.Sigmoid()", "identity": "nn.Identity()",
}  # fmt: skip

IMPORTS = """\
from collections import OrderedDict

import torch
from safetensors.torch import load_file
from torch import nn
"""


def pytorch_code(plan: Plan, path: str = "best.safetensors") -> str:
    """A script that builds the model, loads its weights and evaluates; it needs torch and safetensors alone."""
    model = "\n".join(
        [
            f"# In: {inputs(plan)}. Out: {outputs(plan)}.",
            f"model = {expression(plan.root, '')}",
            f"model.load_state_dict(load_file({json.dumps(path)}))",
            "model.eval()",
        ]
    )
    return "\n\n".join([IMPORTS, *definitions(plan.root)]) + f"\n\n{model}\n"


def inputs(plan: Plan) -> str:
    """What the model takes."""
    shape = " x ".join(map(str, ("batch", *plan.data.shape)))
    return f"{shape}, in the data set's units ({plan.card.minimum:g} to {plan.card.maximum:g})"


def outputs(plan: Plan) -> str:
    """What the model gives."""
    if len(plan.heads) == 1:
        return meaning(plan.heads[0])
    columns = [f"{head.first} to {head.first + head.outputs - 1}" for head in plan.heads]
    told = [
        f"{place}: {json.dumps(head.label)}, {meaning(head)}" for place, head in zip(columns, plan.heads, strict=True)
    ]
    return "columns\n" + "\n".join(f"#   {line}" for line in told)


def meaning(head: Head) -> str:
    """Of a target's outputs."""
    if head.classes is None:
        return "values in the data set's units"
    if head.outputs == 1:
        return f"the logit of {json.dumps(head.classes[1])} against {json.dumps(head.classes[0])}"
    return f"logits of {head.outputs} classes"


def expression(layer: Layer, indent: str) -> str:
    """The Python expression that builds a layer; later lines are indented."""
    match layer:
        case Sequential(children):
            inner = indent + "    "
            lines = [f"{inner}{line}," for line in arguments(children, inner)]
            return "\n".join(["sequence(", *lines, f"{indent})"])
        case Residual(body, shortcut):
            rest = "" if shortcut is None else f", {expression(shortcut, indent)}"
            return f"Residual({expression(body, indent)}{rest})"
        case DenseConcat(body):
            return f"DenseConcat({expression(body, indent)})"
        case Heads(named):
            inner = indent + "    "
            lines = [f'{inner}"{name}": {expression(head, inner)},' for name, head in named]
            return "\n".join(["Heads({", *lines, indent + "})"])
        case Units(parts=parts):
            columns = [first for _, first, _ in parts]
            return f"Units({columns}, {', '.join(f'{name}={primitive(part)}' for name, _, part in parts)})"
        case Activation(name="maxout"):
            return call("Maxout", layer.pieces)
        case Activation():
            return ACTIVATIONS[layer.name]
        case Norm():
            return norm(layer)
        case Recurrent():
            return recurrent(layer)
        case _:
            return primitive(layer)


def arguments(children: tuple[Named, ...], indent: str) -> Iterator[str]:
    """The layers of a sequence; equal ones in a row, numbered on, as a comprehension."""
    while children:
        (name, layer), count = children[0], run_length(children)
        stem, number = numbered(name)
        if count > 1:
            numbers = f"for n in range({number}, {number + count})"
            yield f'**{{f"{stem}{{n}}": {expression(layer, indent)} {numbers}}}'
        else:
            yield f"{name}={expression(layer, indent)}"
        children = children[count:]


def run_length(children: tuple[Named, ...]) -> int:
    """How many layers from the first on are equal but for the number in their names."""
    name, layer = children[0]
    stem, first = numbered(name)
    alike = (child == (f"{stem}{number}", layer) for number, child in enumerate(children, start=first))
    return len(list(takewhile(bool, alike))) or 1


def numbered(name: str) -> tuple[str, int]:
    """A name without the number at its end, and that number."""
    stem = re.sub(r"\d+$", "", name)
    return stem, int(name[len(stem) :] or 0)


def primitive(
    layer: Normalize | Denormalize | Exponential | Affine | Dropout | Pool | Flatten | Rows | Subsample,
) -> str:
    """A layer that fits in a line."""
    match layer:
        case Normalize(whitens=True):
            return call("Whiten", *layer.statistics)
        case Normalize():
            return call("Normalize", *layer.statistics)
        case Denormalize():
            return "Denormalize()"
        case Exponential():
            return "Exponential()"
        case Linear():
            return call("nn.Linear", layer.input[0], layer.output[0], bias=(layer.bias, True))
        case Conv(kernel_size=side):
            options = {"stride": (layer.stride, 1), "padding": ((side - 1) // 2, 0)}
            rest = {"groups": (layer.groups, 1), "bias": (layer.bias, True)}
            return call("nn.Conv2d", layer.input[0], layer.output[0], side, **options, **rest)
        case Dropout(spec=spec):
            return dropout(spec)
        case DropConnect():
            return drop_connect(layer)
        case Pool(kind="max"):
            return call("nn.MaxPool2d", layer.size)
        case Pool(kind="average"):
            return call("nn.AvgPool2d", layer.size)
        case Pool(kind="global_max"):
            return "nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())"
        case Pool():
            return "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())"
        case Flatten():
            return "nn.Flatten()"
        case Rows():
            return "RowsAsSteps()"
        case Subsample():
            return call("Subsample", layer.stride, layer.output[0] - layer.input[0])
        case _:
            assert_never(layer)


def drop_connect(layer: DropConnect) -> str:
    """Without an activation behind it, the mean over masks is the linear layer's."""
    sizes = layer.input + layer.output
    if layer.activation is None:
        return call("nn.Linear", *sizes, bias=(layer.bias, True))
    bias = "" if layer.bias else ", bias=False"
    return f"DropConnect({sizes[0]}, {sizes[1]}, {layer.rate!r}, {ACTIVATIONS[layer.activation]}{bias})"


def dropout(spec: recipe.UnitDropout) -> str:
    """A dropout layer; noise that torch does not have is nothing in evaluation."""
    match spec:
        case recipe.Dropout():
            return call("nn.Dropout", spec.rate)
        case recipe.VanillaDropout():
            return call("VanillaDropout", spec.rate)
        case recipe.SpatialDropout():
            return call("nn.Dropout2d", spec.rate)
        case recipe.GaussianDropout() | recipe.Uout() | recipe.GaussianNoise():
            return "nn.Identity()"
        case _:
            assert_never(spec)


def norm(layer: Norm) -> str:
    """A normalisation layer; settings are shown where they are not torch's defaults."""
    spec, features, eps = layer.spec, layer.input[0], (layer.spec.eps, 1e-5)
    match spec:
        case BatchNorm() | CrossIterationBatchNorm():  # the same in evaluation
            kind = "nn.BatchNorm2d" if len(layer.input) == 3 else "nn.BatchNorm1d"
            return call(kind, features, eps=eps, momentum=(spec.momentum, 0.1), affine=(spec.affine, True))
        case LayerNorm():
            return call("nn.LayerNorm", flat(layer.input), eps=eps, elementwise_affine=(spec.elementwise_affine, True))
        case InstanceNorm():
            return call("nn.InstanceNorm2d", features, eps=eps, affine=(spec.affine, False))
        case GroupNorm():
            return call("nn.GroupNorm", spec.num_groups, features, eps=eps, affine=(spec.affine, True))
        case BatchRenorm():
            return call("BatchRenorm", features, affine=(spec.affine, True))
        case _:
            assert_never(spec)


def recurrent(layer: Recurrent) -> str:
    """A recurrent layer with the norms inside its cell."""
    settings = [str(layer.input[1]), str(layer.hidden_size), f"last={layer.gives_last}"]
    if layer.activation != "tanh":
        settings.append(f"nonlinearity={layer.activation!r}")
    if layer.norm is not None and layer.biases:
        settings.append("bias=True")
    norms = [f"{name}={norm(inner)}" for name, inner in layer.norms]
    return f"{name_of(layer)}({', '.join(settings + norms)})"


def flat(shape: Shape) -> object:
    """A shape of one number as that number."""
    return list(shape) if len(shape) > 1 else shape[0]


def call(name: str, *values: object, **options: tuple[object, object]) -> str:
    """A call; each option is its value and the default at which it is left out."""
    shown = [f"{key}={value!r}" for key, (value, default) in options.items() if value != default]
    return f"{name}({', '.join([*map(repr, values), *shown])})"
