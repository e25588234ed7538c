"""Prints a plan as a plain PyTorch script, for people who have the weights but not Bakehouse."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, takewhile
from pprint import pformat

from bakehouse.model import JsonObject
from bakehouse.plan.inputs import Input
from bakehouse.plan.module_source import Source, read_source
from bakehouse.plan.modules import Argument, Call, call, model_call
from bakehouse.plan.plan import Plan
from bakehouse.plan.targets import Target

STANDALONE = (
    "bakehouse/data/readers/missing_marks.py",
    "bakehouse/data/readers/typed_cells.py",
    "bakehouse/data/readers/written_dates.py",
    "bakehouse/data/readers/written_numbers.py",
    "worker/evaluation/standalone/rows.py",
    "worker/evaluation/standalone",
)
"""Files and folders whose functions read users' files and measure models without Bakehouse."""
MAX_WIDTH = 120
NUMBER_FORMS = ("point", "comma")
"""The forms of columns that have numbers; all others are those of dates."""
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


Uses = Iterable[tuple[Source, Iterable[str]]]
"""Sources, and the names that a script uses of each."""


def pytorch_code(plan: Plan, path: str = "best.safetensors", *, note: str = "") -> str:
    """Returns a script that builds the model for evaluation and loads its weights with only torch and safetensors; it
    begins with the `note`."""
    return join_script(note, [model_use(plan), *row_use(plan)], [model_text(plan, path)])


def row_use(plan: Plan) -> Uses:
    """Returns the source that reads a row of a table with named columns."""
    return [] if plan.input_columns is None else [(read_source(*STANDALONE), row_names(plan))]


def row_names(plan: Plan) -> set[str]:
    """Returns the names that read a row of the inputs."""
    return {"encode_row", *(input_call(column).name for column in plan.data.inputs)}


def model_use(plan: Plan) -> tuple[Source, Iterable[str]]:
    """Returns the source of Bakehouse's own torch modules, and the names that the model uses of it."""
    return read_source(), ("nn", *class_names(model_call(plan)))


def join_script(note: str, uses: Uses, texts: Iterable[str]) -> str:
    """Returns a script: the note as comments, imports, the definitions that are used, and the texts."""
    definitions: list[str] = []
    imports = {"import torch", "from safetensors.torch import load_file"}
    for source, names in uses:
        used = {*names}
        needed = source.needed(used)
        definitions += [definition.text for definition in needed.values()]
        imports.update(source.import_lines(used.union(*(definition.names for definition in needed.values()))))
    parts = [*comments(note), import_text(merge_imports(imports)), *definitions, *texts]
    return "\n\n\n".join(parts) + "\n"


def comments(note: str) -> list[str]:
    return ["\n".join(f"# {line}".rstrip() for line in note.splitlines())] if note else []


def merge_imports(lines: Iterable[str]) -> Iterator[str]:
    """Yields import statements; the names that two of them import from one module become one statement."""
    names: dict[str, set[str]] = {}
    for line in lines:
        module, _, imported = line.partition(" import ")
        names.setdefault(module, set()).update(imported.split(", ") if imported else ())
    yield from (f"{module} import {', '.join(sorted(found))}" if found else module for module, found in names.items())


def import_text(lines: Iterable[str]) -> str:
    """Returns import statements, those of the standard library first."""
    # `import x` comes before `from x import y`.
    ordered = sorted(lines, key=lambda line: (line.startswith("from"), line))
    standard = [line for line in ordered if re.split(r"[ .]", line)[1] in sys.stdlib_module_names]
    others = [line for line in ordered if line not in standard]
    return "\n".join([*standard, *([""] if standard else []), *others])


def model_text(plan: Plan, path: str) -> str:
    """Returns the statements that build the model and load its weights."""
    lines = [
        f"# In: {inputs(plan)}. Out: {outputs(plan)}.",
        *constants(plan),
        f"model = {expression(model_call(plan), '')}",
        f"model.load_state_dict(load_file({json.dumps(path, ensure_ascii=False)}))",
        "model.eval()",
    ]
    return "\n".join(lines)


def constants(plan: Plan) -> Iterator[str]:
    """Yields comments and statements that say what the inputs are and how the classes are called."""
    if plan.card.format == "pictures":
        channels, height, width = plan.data.shape
        mode = "L" if channels == 1 else "RGB"
        yield f"# Pictures are turned upright (by ImageOps.exif_transpose) and converted to {mode}, with grey (128)"
        yield f"# where they are transparent; ImageOps.fit (BILINEAR) makes them {width} x {height} unless they are."
    if plan.input_columns is not None:
        if plan.data.steps is None:
            yield "# The columns of the inputs, in order. For a row as csv.DictReader gives it:"
            yield "# model(torch.tensor([encode_row(row, INPUTS)], dtype=torch.float64))"
        else:
            yield "# The columns of the inputs, in order. For the rows of a sequence as csv.DictReader gives them:"
            yield "# model(torch.tensor([[encode_row(row, INPUTS) for row in rows]], dtype=torch.float64))"
        entries = [column_lines(each.name, input_call(each)) for each in plan.data.inputs]
        yield "\n".join(["INPUTS = {", *chain.from_iterable(entries), "}"])
    classes = {target.label: target.classes for target in plan.targets if target.classes is not None}
    if classes:
        yield "# The names of the classes 0, 1, ..."
        yield f"CLASSES = {literal(plan.data.main.classes if len(plan.targets) == 1 else classes)}"


def column_call(kind: str, classes: tuple[str, ...], form: str | None) -> Call:
    """Returns the constructor call of the class in worker/evaluation/standalone/rows.py that reads a column."""
    # Truth values may be learned as numbers, too.
    if kind == "category" or classes:
        if form is not None:
            return call("WrittenCategory", form, *classes)
        return call("Category" if kind == "category" else "Boolean", *classes)
    if form is None:
        return call("Number")
    return call("WrittenNumber" if form.partition(" ")[0] in NUMBER_FORMS else "Date", form)


def input_call(column: Input) -> Call:
    return column_call(column.kind, column.classes, column.form)


def column_lines(name: str, written: Call) -> Iterator[str]:
    """Yields the lines of a dict's entry from the name of a column to what reads it, of at most 120 characters."""
    line = f"    {name!r}: {expression(written, '')},"
    yield line if len(line) <= MAX_WIDTH else f"    {name!r}: {written.name}(*{literal(written.args)}),"


def literal(value: object) -> str:
    """Returns a value as Python source, in lines of at most 120 characters."""
    return pformat(value, width=108, compact=True, sort_dicts=False)


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
    if plan.data.lengths is not None:
        steps = f"steps of {plan.data.padding}"
        shape = f"batch x steps x {plan.data.shape[1]}, where {steps} follow sequences that end before the longest"
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
