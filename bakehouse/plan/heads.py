"""The output layers of a model's targets, and the metrics that early stopping may monitor."""

from collections.abc import Iterator
from dataclasses import replace

from bakehouse.plan.layers import Denormalize, DropConnect, Exponential, Heads, Linear, Sequential, Units
from bakehouse.plan.targets import Target


def monitors(targets: tuple[Target, ...]) -> tuple[str, ...]:
    """The metrics that may be monitored. `validation_loss` is the weighted sum of the targets' losses."""
    names = ["loss", *targets[0].measures]
    for target in targets:
        names += [target.loss_metric, *target.measures]
    return tuple(dict.fromkeys(f"validation_{name}" for name in names))


def with_outputs(root: Sequential, targets: tuple[Target, ...]) -> Sequential:
    """Ends the model in an output layer for each target, all of one kind, and in the data's units."""
    units = tuple(unit_layers(targets))
    if len(targets) == 1:
        # A model with one output keeps the layer that its architecture ends in, under the names that torch users know.
        return Sequential((*root.children, *((target.unit, layer) for target, layer in units)))
    *trunk, (_, head) = root.children
    assert isinstance(head, Linear | DropConnect), "an architecture ends in its output layer"
    heads = Heads(tuple((target.layer, replace(head, output=(target.outputs,))) for target in targets))
    root = Sequential((*trunk, ("heads", heads)))
    if not units:
        return root
    parts = tuple((target.layer, target.first, layer) for target, layer in units)
    return Sequential((*root.children, ("units", Units(root.output, parts))))


def unit_layers(targets: tuple[Target, ...]) -> Iterator[tuple[Target, Denormalize | Exponential]]:
    """The layer after the outputs of each regression, which learns standardised numbers, or the log of a mean."""
    for target in targets:
        match target.loss:
            case "squared_error":
                yield target, Denormalize((target.outputs,))
            case "poisson":
                yield target, Exponential((target.outputs,))
            case _:
                pass
