"""Adds the output layers of a model's targets, and lists the metrics that early stopping may monitor."""

from collections.abc import Iterator
from dataclasses import replace

from bakehouse.plan.layers import Denormalize, DropConnect, Exponential, Heads, Linear, Sequential, Units
from bakehouse.plan.targets import ResolvedData, Target, TargetError
from bakehouse.recipe.evaluation import CLASS_MEASURES, Evaluation


def monitors(targets: tuple[Target, ...]) -> tuple[str, ...]:
    """Returns the names of the metrics that may be monitored. `validation_loss` is the weighted sum of the losses of
    all targets."""
    names = ["loss", *targets[0].measures]
    for target in targets:
        further = CLASS_MEASURES if target.classes is not None else ()
        names += [target.loss_metric, *target.measures, *(f"{target.prefix}{measure}" for measure in further)]
    # The main target is in `names` twice if it is the only one, and its measures are in any case.
    return tuple(dict.fromkeys(f"validation_{name}" for name in names))


def with_class_measures(data: ResolvedData, evaluation: Evaluation) -> ResolvedData:
    """Gives each target that is classes the further metrics that a recipe lists or monitors. Raises TargetError if two
    metrics then have one name."""
    measured = {name for target in data.targets for name in target.measures}
    targets = []
    for target in data.targets:
        names = {measure: f"{target.prefix}{measure}" for measure in CLASS_MEASURES if target.classes is not None}
        listed = [measure for measure in names if measure in evaluation.metrics]
        for measure in listed:
            if names[measure] in measured:
                message = (
                    f"validation_{names[measure]} is the accuracy of another target; give that target another name"
                )
                raise TargetError(message, pointer="/evaluation/metrics")
        monitored = [
            measure
            for measure, name in names.items()
            if f"validation_{name}" == evaluation.monitor and name not in measured
        ]
        wanted = tuple(measure for measure in names if measure in listed or measure in monitored)
        targets.append(replace(target, class_measures=wanted))
    return replace(data, targets=tuple(targets))


def with_outputs(root: Sequential, targets: tuple[Target, ...]) -> Sequential:
    """Gives the model an output layer of the same kind for each target, and layers that convert outputs to data
    units."""
    units = tuple(unit_layers(targets))
    if len(targets) == 1:
        # A model with one target keeps the output layer of its architecture, under the name that torch users know.
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
    """Yields each regression target with the layer that converts its outputs (standardised numbers, or the log of a
    mean) to the data's units."""
    for target in targets:
        match target.loss:
            case "squared_error":
                yield target, Denormalize((target.outputs,))
            case "poisson":
                yield target, Exponential((target.outputs,))
            case _:
                pass
