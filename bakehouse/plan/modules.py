"""Translates each layer into the call of a torch module. These calls build a model and print its script."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import assert_never

from bakehouse.plan.estimate import passes
from bakehouse.plan.layers import (
    KEPT_MASKS,
    MASK_NUMBERS,
    Activation,
    Conv,
    Denormalize,
    DenseConcat,
    DropConnect,
    Dropout,
    Embed,
    EncodeColumns,
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
    Subsample,
    Units,
)
from bakehouse.plan.plan import Plan
from bakehouse.recipe import dropout
from bakehouse.recipe.norm import (
    BatchNorm,
    BatchRenorm,
    CrossIterationBatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RmsNorm,
)


@dataclass(frozen=True)
class Call:
    """A constructor call, such as `nn.GroupNorm(8, 16, eps=1e-5)`. Names that begin with `nn.` are classes of torch.nn,
    all others are in worker.model.modules."""

    name: str
    args: tuple["Argument", ...] = ()
    options: Mapping[str, "Argument"] = field(default_factory=dict)


Argument = int | float | str | tuple["Argument", ...] | None | Call | Mapping[str, Call]


ACTIVATIONS = {
    "relu": "nn.ReLU", "leaky_relu": "nn.LeakyReLU", "gelu": "nn.GELU", "silu": "nn.SiLU", "tanh": "nn.Tanh",
    "sigmoid": "nn.Sigmoid", "identity": "nn.Identity",
}  # fmt: skip
POOLS = {"max": "nn.MaxPool2d", "average": "nn.AvgPool2d", "global_max": "MaxOverMap", "global_average": "MeanOverMap"}


def model_call(plan: Plan) -> Call:
    """Returns the call that constructs a plan's whole model."""
    return module_call(plan.root, run_steps=plan.steps * passes(plan.recipe))


def module_call(layer: Layer, *, run_steps: int) -> Call:
    """Returns the call that constructs a layer.

    `run_steps` is the number of forward passes in training; norms with a schedule need it.
    """
    match layer:
        case Sequential(children):
            # A cross-iteration norm compensates for changes of the layer before it, which `sequence` does not show it.
            looks_back = any(
                isinstance(child, Norm) and isinstance(child.spec, CrossIterationBatchNorm) for _, child in children
            )
            layers = {name: module_call(child, run_steps=run_steps) for name, child in children}
            return call("compensated" if looks_back else "sequence", **layers)
        case Residual(body, None):
            return call("Residual", module_call(body, run_steps=run_steps))
        case Residual(body, shortcut):
            assert shortcut is not None
            branches = module_call(body, run_steps=run_steps), module_call(shortcut, run_steps=run_steps)
            return call("Residual", *branches)
        case DenseConcat(body):
            return call("DenseConcat", module_call(body, run_steps=run_steps))
        case Heads(named):
            return call("Heads", {name: module_call(head, run_steps=run_steps) for name, head in named})
        case Units(parts=parts):
            units = {name: module_call(unit, run_steps=run_steps) for name, _, unit in parts}
            return call("Units", units, tuple(column for _, column, _ in parts))
        case Norm():
            return norm_call(layer, run_steps)
        case Recurrent():
            return recurrent_call(layer, run_steps)
        case Dropout(spec=spec):
            return dropout_call(spec)
        # This case comes before the next one, whose table does not contain maxout.
        case Activation(name="maxout", pieces=pieces):
            return call("Maxout", pieces)
        case Activation(name=name):
            return call(ACTIVATIONS[name])
        case _:
            return primitive_call(layer)


def primitive_call(
    layer: Normalize
    | EncodeColumns
    | Embed
    | Denormalize
    | Exponential
    | Linear
    | Conv
    | DropConnect
    | Pool
    | Flatten
    | Rows
    | Subsample,
) -> Call:
    match layer:
        case Normalize(statistics=statistics):
            return call("Whiten" if layer.whitens else "Normalize", statistics)
        case EncodeColumns(encoding=encoding):
            arguments = encoding.numbers, encoding.cycles, encoding.flags, encoding.categories
            return call("WhitenColumns" if layer.whitens else "EncodeColumns", *arguments)
        case Embed(blocks=blocks):
            return call("Embed", layer.input[0], blocks)
        case Denormalize():
            return call("Denormalize")
        case Exponential():
            return call("Exponential")
        case Linear():
            return call("nn.Linear", layer.input[0], layer.output[0], bias=layer.bias)
        case Conv(kernel_size=side):
            channels = layer.input[0], layer.output[0]
            window = {"stride": layer.stride, "padding": (side - 1) // 2, "groups": layer.groups}
            return call("nn.Conv2d", *channels, side, **window, bias=layer.bias)
        case DropConnect(spec=spec, activation=name):
            activation = None if name is None else call(ACTIVATIONS[name])
            limits = {"mask_numbers": MASK_NUMBERS, "kept_masks": KEPT_MASKS}
            settings = {"rate": spec.rate, "activation": activation, **limits}
            return call("DropConnect", layer.input[0], layer.output[0], **settings, bias=layer.bias)
        case Pool(kind=kind, size=size):
            return call(POOLS[kind], size) if layer.is_local else call(POOLS[kind])
        case Flatten():
            return call("nn.Flatten")
        case Rows():
            return call("RowsAsSteps")
        case Subsample(stride=stride):
            return call("Subsample", stride, layer.output[0] - layer.input[0])
        case _:
            assert_never(layer)


def norm_call(layer: Norm, run_steps: int) -> Call:
    features = layer.input[0]
    is_map = len(layer.input) == 3
    match layer.spec:
        case BatchNorm(eps=eps, momentum=momentum, affine=affine):
            name = "nn.BatchNorm2d" if is_map else "nn.BatchNorm1d"
            return call(name, features, eps=eps, momentum=momentum, affine=affine)
        case LayerNorm(eps=eps, elementwise_affine=affine):
            if is_map:
                return call("MapLayerNorm", layer.input, eps=eps, elementwise_affine=affine)
            return call("nn.LayerNorm", features, eps=eps, elementwise_affine=affine)
        case RmsNorm(eps=eps, elementwise_affine=affine):
            return call("nn.RMSNorm", layer.input, eps=eps, elementwise_affine=affine)
        case InstanceNorm(eps=eps, affine=affine):
            return call("nn.InstanceNorm2d", features, eps=eps, affine=affine)
        case GroupNorm(num_groups=groups, eps=eps, affine=affine):
            return call("nn.GroupNorm", groups, features, eps=eps, affine=affine)
        case BatchRenorm(eps=eps, momentum=momentum, affine=affine) as spec:
            unit = run_steps if spec.unit == "run" else 1
            starts = {"burn_in": spec.burn_in, "r_max_from": spec.r_max_from, "d_max_from": spec.d_max_from}
            schedule = {name: start * unit for name, start in starts.items()}
            limits = {"r_max": spec.r_max, "d_max": spec.d_max}
            return call("BatchRenorm", features, **schedule, **limits, eps=eps, momentum=momentum, affine=affine)
        case CrossIterationBatchNorm(eps=eps, momentum=momentum, affine=affine) as spec:
            burn_in = ceil(spec.burn_in * (run_steps if spec.unit == "run" else 1))
            settings = {"window": spec.window, "burn_in": burn_in, "eps": eps, "momentum": momentum}
            return call("CrossIterationBatchNorm", features, **settings, affine=affine)
        case _:
            assert_never(layer.spec)


def recurrent_call(layer: Recurrent, run_steps: int) -> Call:
    sizes = layer.input[1], layer.hidden_size
    options: dict[str, Argument] = {"gives_last": layer.gives_last}
    if layer.is_ragged:
        options["is_ragged"] = True
    if layer.cell == "elman":
        options["nonlinearity"] = layer.activation
    if layer.norm is None:
        return call(layer.cell.title(), *sizes, **options)
    norms = {name: norm_call(norm, run_steps) for name, norm in layer.norms}
    return call(f"Normalized{layer.cell.title()}", *sizes, **options, bias=bool(layer.biases), **norms)


def dropout_call(spec: dropout.UnitDropout) -> Call:
    match spec:
        case dropout.Dropout(rate=rate):
            return call("Dropout", rate)
        case dropout.VanillaDropout(rate=rate):
            return call("VanillaDropout", rate)
        case dropout.SpatialDropout(rate=rate):
            return call("SpatialDropout", rate)
        case dropout.GaussianDropout(rate=rate):
            return call("GaussianDropout", rate)
        case dropout.Uout(beta=beta):
            return call("Uout", beta)
        case dropout.GaussianNoise(std=std):
            return call("GaussianNoise", std)
        case _:
            assert_never(spec)


def call(name: str, /, *args: Argument, **options: Argument) -> Call:
    return Call(name, args, options)
