"""Prints a plan as a plain PyTorch script, for people who have the weights but not Bakehouse."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile

from bakehouse.model import JsonObject
from bakehouse.plan.module_source import read_source
from bakehouse.plan.modules import Argument, Call, model_call
from bakehouse.plan.plan import Plan
from bakehouse.plan.targets import Target

Named = list[tuple[str, Call]]

BATCH_NORM = {"eps": 1e-5, "momentum": 0.1, "affine": True}
TORCH_DEFAULTS: dict[str, JsonObject] = {
    "nn.Linear": {"bias": True},
    "nn.Conv2d": {"stride": 1, "padding": 0, "groups": 1, "bias": True},
    "nn.BatchNorm1d": BATCH_NORM,
    "nn.BatchNorm2d": BATCH_NORM,
    "nn.LayerNorm": {"eps": 1e-5, "elementwise_affine": True},
    "nn.InstanceNorm2d": {"eps": 1e-5, "affine": False},
    "nn.GroupNorm": {"eps": 1e-5, "affine": True},
}
"""Torch's own defaults, which a script leaves out. It prints all options of a torch class that is not listed here."""


def pytorch_code(plan: Plan, path: str = "best.safetensors") -> str:
    """Returns a script that builds the model for evaluation and loads its weights with only torch and safetensors."""
    root = model_call(plan)
    source = read_source()
    definitions = source.needed(class_names(root))
    names = {"nn"}.union(*(definition.names for definition in definitions.values()))
    imports = list(source.import_lines(names))
    standard = [line for line in imports if not line.startswith("from torch")]
    torchs = [line for line in imports if line.startswith("from torch")]
    model = [
        f"# In: {inputs(plan)}. Out: {outputs(plan)}.",
        f"model = {expression(root, '')}",
        f"model.load_state_dict(load_file({json.dumps(path)}))",
        "model.eval()",
    ]
    head = [*standard, *([""] if standard else []), "import torch", "from safetensors.torch import load_file", *torchs]
    texts = [definition.text for definition in definitions.values()]
    return "\n\n\n".join("\n".join(lines) for lines in (head, *([text] for text in texts), model)) + "\n"


def class_names(call: Call) -> Iterator[str]:
    """Yields the names of the classes that a call and the calls inside it construct."""
    yield call.name
    for value in (*call.args, *call.options.values()):
        match value:
            case Call():
                yield from class_names(value)
            case dict():
                for inner in value.values():
                    yield from class_names(inner)
            case _:
                pass


def inputs(plan: Plan) -> str:
    """Describes the model's inputs."""
    shape = " x ".join(map(str, ("batch", *plan.data.shape)))
    return f"{shape}, in the data set's units ({plan.card.minimum:g} to {plan.card.maximum:g})"


def outputs(plan: Plan) -> str:
    """Describes the model's outputs."""
    if len(plan.targets) == 1:
        return meaning(plan.targets[0])
    columns = [f"{target.first} to {target.columns.stop - 1}" for target in plan.targets]
    lines = [
        f"{column}: {json.dumps(target.label)}, {meaning(target)}"
        for column, target in zip(columns, plan.targets, strict=True)
    ]
    return "columns\n" + "\n".join(f"#   {line}" for line in lines)


def meaning(target: Target) -> str:
    """Describes what a target's outputs mean."""
    if target.classes is None:
        return "values in the data set's units"
    if target.outputs == 1:
        return f"the logit of {json.dumps(target.classes[1])} against {json.dumps(target.classes[0])}"
    return f"logits of {target.outputs} classes"


def expression(call: Call, indent: str) -> str:
    """Returns the Python expression of a call; all lines but the first are indented."""
    layers = [(name, value) for name, value in call.options.items() if isinstance(value, Call)]
    if layers and len(layers) == len(call.options) and not call.args:
        inner = indent + "    "
        lines = [f"{inner}{line}," for line in arguments(layers, inner)]
        return "\n".join([f"{call.name}(", *lines, f"{indent})"])
    shown = without_defaults(call)
    values = [argument(value, indent) for value in call.args]
    values += [f"{name}={argument(value, indent)}" for name, value in shown.items()]
    return f"{call.name}({', '.join(values)})"


def without_defaults(call: Call) -> dict[str, Argument]:
    defaults = TORCH_DEFAULTS.get(call.name) or read_source().defaults(call.name)
    return {name: value for name, value in call.options.items() if name not in defaults or value != defaults[name]}


def argument(value: Argument, indent: str) -> str:
    match value:
        case Call():
            return expression(value, indent)
        case Mapping():
            inner = indent + "    "
            lines = [f'{inner}"{name}": {expression(call, inner)},' for name, call in value.items()]
            return "\n".join(["{", *lines, indent + "}"])
        case _:
            return repr(value)


def arguments(children: Named, indent: str) -> Iterator[str]:
    """Yields an argument for each layer of a sequence; equal layers with consecutive numbers become a comprehension."""
    while children:
        name, call = children[0]
        count = run_length(children)
        stem, number = numbered(name)
        if count > 1:
            numbers = f"for n in range({number}, {number + count})"
            yield f'**{{f"{stem}{{n}}": {expression(call, indent)} {numbers}}}'
        else:
            yield f"{name}={expression(call, indent)}"
        children = children[count:]


def run_length(children: Named) -> int:
    """Counts the layers, from the first on, that are equal except for the number in their names."""
    name, call = children[0]
    stem, first = numbered(name)
    alike = (child == (f"{stem}{number}", call) for number, child in enumerate(children, start=first))
    # A name without a number does not equal its own pattern, so that not even the first layer is counted.
    return len(list(takewhile(bool, alike))) or 1


def numbered(name: str) -> tuple[str, int]:
    """Splits a name into the text and the number at its end, which is 0 if there is none."""
    stem = re.sub(r"\d+$", "", name)
    return stem, int(name[len(stem) :] or 0)
