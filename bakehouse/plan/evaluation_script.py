"""Prints a script that computes the test metrics of a run again, in plain PyTorch and from the user's own file."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bakehouse.plan.card import Column, TextForm
from bakehouse.plan.layers import Conv, walk
from bakehouse.plan.module_source import Source, read_source
from bakehouse.plan.modules import Call
from bakehouse.plan.plan import Plan
from bakehouse.plan.script import (
    STANDALONE,
    class_names,
    column_call,
    expression,
    join_script,
    literal,
    model_text,
    model_use,
    row_names,
)
from bakehouse.plan.targets import Target
from bakehouse.recipe.dataset import StepRows

NOT_COMPUTED = """# The run recorded these too, which this script does not compute. They are means over dropout masks or
# over crops, or metrics under an attack."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a script needs to know about a run besides its plan."""

    file: str
    """The path at which the script looks for the data, unless its command line gives another."""
    is_unpacked: bool = False
    """Whether the service has unpacked the file, which is an archive."""
    rows: Sequence[int] | str
    """The rows of the test split, or the `.npz` file that has them as its array `test`."""
    pictures: Sequence[tuple[str, str]] = ()
    """The path and the label of each row, for a folder of pictures whose rows are not in a file."""
    row_number: str
    """What a row number means."""
    recorded: Mapping[str, float]
    """The test metrics that the run recorded."""
    threads: int
    """Number of threads with which they were computed."""
    units_in: str = ""
    """The beginning of the names of the layers that convert numbers to the data's units."""


def evaluation_code(plan: Plan, path: str, evaluation: Evaluation, *, note: str) -> str:
    """Returns a script that reads the test rows, measures the model on them, and compares the metrics with those that
    were recorded."""
    uses = [model_use(plan), evaluation_use(plan, evaluation)]
    return join_script(note, uses, [model_text(plan, path), *measurement(plan, evaluation)])


def evaluation_use(plan: Plan, evaluation: Evaluation) -> tuple[Source, set[str]]:
    """Returns the source of what reads rows and measures models, and the names that a script uses of it."""
    used = {"data_path", "np", "Target", "measure", "compare", reading_call(plan).partition("(")[0]}
    if evaluation.is_unpacked:
        used.add("unpack")
    if plan.card.text is not None:
        used.add("TextForm")
    if plan.card.columns is not None:
        used |= {*row_names(plan), *(target_column(plan, target).name for target in plan.targets)}
    if plan.data.steps is not None:
        used |= {*class_names(steps_call(plan, plan.data.steps))}
    return read_source(*STANDALONE), used


def measurement(plan: Plan, evaluation: Evaluation) -> Iterator[str]:
    """Yields the statements after the model."""
    yield "\n".join(
        [
            *textwrap.wrap(
                description_of(plan, evaluation),
                width=118, initial_indent="# ", subsequent_indent="# ",
            ),
            f"TEST_ROWS = {rows_text(plan, evaluation)}",
        ]
    )  # fmt: skip
    yield "\n".join(
        ["TARGETS = (", *(f"    {target_text(plan, target, evaluation.units_in)}," for target in plan.targets), ")"]
    )
    if plan.card.text is not None:
        yield f"FORM = {text_form(plan.card.text)}"
    if plan.data.steps is not None:
        yield f"STEPS = {expression(steps_call(plan, plan.data.steps), '')}"
    computed = measured_metrics(plan)
    recorded = {name: value for name, value in evaluation.recorded.items() if name in computed}
    yield f"# As recorded by the run.\nRECORDED = {literal(recorded)}"
    others = tuple(name for name in evaluation.recorded if name not in computed)
    if others:
        yield f"{NOT_COMPUTED}\nNOT_COMPUTED = {literal(others)}"
    path = f"data_path({evaluation.file!r})"
    lines = [f"x, y = {reading_call(plan).replace('DATA', f'unpack({path})' if evaluation.is_unpacked else path)}"]
    # The number of threads and the layout of images decide how sums are rounded.
    lines += [f"torch.set_num_threads({evaluation.threads})"]
    if any(isinstance(layer, Conv) for _, layer in walk(plan.root)):
        lines += ["model.to(memory_format=torch.channels_last)"]
    if others:
        lines += ['print("recorded too, but not computed here:", ", ".join(NOT_COMPUTED))']
    yield "\n".join([*lines, "compare(measure(model, torch.from_numpy(x), torch.from_numpy(y), TARGETS), RECORDED)"])


def text_form(form: TextForm) -> str:
    """Returns the constructor call of `TextForm` in worker/evaluation/standalone/reading.py."""
    fields = form.model_dump(exclude={"names"})
    settings = "".join(f"    {name}={value!r},\n" for name, value in fields.items())
    return f"TextForm(\n{settings}    names={literal(form.names)},\n)"


def description_of(plan: Plan, evaluation: Evaluation) -> str:
    if plan.card.format == "pictures":
        return "The test split: the path of each picture in the folder, and its label."
    return f"The test split. {evaluation.row_number} Numbers are counted from 0."


def rows_text(plan: Plan, evaluation: Evaluation) -> str:
    rows = evaluation.rows
    if plan.card.format == "pictures":
        if isinstance(rows, str):
            arrays = [f'np.load({json.dumps(rows)})["test_{name}"].tolist()' for name in ("paths", "labels")]
            return f"list(zip({arrays[0]}, {arrays[1]}))"
        return "\n".join(["[", *(f"    {picture!r}," for picture in evaluation.pictures), "]"])
    if plan.card.counts.test is not None:
        return f"np.arange({plan.card.counts.test})"
    if isinstance(rows, str):
        return f'np.load({json.dumps(rows)})["test"]'
    lines = textwrap.wrap(", ".join(map(str, rows)), width=114)
    return "\n".join(["np.array([", *(f"    {line}" for line in lines), "])"])


def target_text(plan: Plan, target: Target, units_in: str) -> str:
    """Returns the constructor call of `Target` in worker/evaluation/standalone/labels.py."""
    has_unit = target.loss == "squared_error" and not target.is_alone
    fields = {
        "name": target.name,
        "prefix": "" if target.index == 0 else f"{target.label}_",
        "loss": target.loss,
        "outputs": target.columns,
        "classes": classes_in_file(plan, target),
        "dtype": target_dtype(plan, target),
        "weight": target.weight,
        "unit": units_in + target.unit if has_unit else None,
        **({"measures": target.class_measures} if target.class_measures else {}),
    }
    column = "" if plan.card.columns is None else f", column={expression(target_column(plan, target), '')}"
    return f"Target({', '.join(f'{name}={value!r}' for name, value in fields.items())}{column})"


def target_column(plan: Plan, target: Target) -> Call:
    """Returns the constructor call of what reads the cells of a target."""
    column = column_of(plan, target.name)
    kind = "category" if target.classes is not None and column.kind != "boolean" else column.kind
    return column_call(kind, target.classes or (), column.form)


def classes_in_file(plan: Plan, target: Target) -> tuple[str, ...] | None:
    """Returns the classes as the data write them. The files of MNIST and CIFAR have numbers, whatever their names."""
    if plan.card.format in ("idx", "cifar") and target.classes is not None:
        is_numbers = all(name.isdecimal() for name in target.classes)
        return target.classes if is_numbers else tuple(map(str, range(len(target.classes))))
    return target.classes


def target_dtype(plan: Plan, target: Target) -> str:
    """Returns the type of a target's numbers."""
    if plan.card.columns is not None:
        return column_of(plan, target.name).dtype
    if target.index == 0:
        return plan.card.target_dtype
    return next(further.dtype for further in plan.card.targets if further.name == target.name)


def reading_call(plan: Plan) -> str:
    """Returns the call that reads the test rows from DATA."""
    card = plan.card
    split = "train" if card.counts.test is None else "test"
    start = f"DATA, TEST_ROWS, {card.counts.test or rows_in_file(plan)}"
    dtype = "float64" if plan.data.is_double else "float32"
    match card.format:
        case "parquet" | "json" if card.columns is None:
            return f'read_sequences({start}, "{card.format}", {card.arrays.get("y", "y")!r}, TARGETS, "{dtype}")'
        case "csv" | "parquet" | "json":
            read = f'read_typed({start}, "{card.format}"' if card.text is None else f"read_csv({start}, FORM"
            steps = "" if plan.data.steps is None else ", STEPS"
            return f'{read}, INPUTS, TARGETS, "{dtype}"{steps})'
        case "npz":
            suffix = "" if split == "train" else f"_{split}"
            known = [f"x{suffix}", f"y{suffix}", *(f"y_{target.name}{suffix}" for target in plan.data.further)]
            names = [card.arrays.get(name, name) for name in known]
            return f'read_npz({start}, {names}, {card.shape}, TARGETS, "{card.dtype}")'
        case "npy":
            known = [target.name for target in card.targets]
            names = ["y", *(f"target{1 + known.index(target.name)}" for target in plan.data.further)]
            return f"read_npy({start}, {names})"
        case "cifar":
            return f'read_cifar({start}, "{split}", TARGETS[0])'
        case "pictures":
            short = (
                "" if plan.picture_size is None or plan.picture_size.short is None else f", {plan.picture_size.short}"
            )
            return f"read_pictures(DATA, TEST_ROWS, {card.shape}, TARGETS[0]{short})"
        case "arrow":
            raise AssertionError("the command refuses to print a script for Arrow files")
        case "idx":
            return f'read_idx({start}, "{split}", {card.shape}, TARGETS[0])'


def rows_in_file(plan: Plan) -> int:
    """Returns the number of rows that the script counts; a long table has several for each sequence."""
    if plan.data.steps is None:
        return plan.card.counts.train
    return sum(size * times for size, times in column_of(plan, plan.data.steps.id).group_sizes)


def column_of(plan: Plan, name: str) -> Column:
    return next(column for column in plan.card.columns or () if column.name == name)


def steps_call(plan: Plan, steps: StepRows) -> Call:
    """Returns the constructor call of `StepRows` in worker/evaluation/standalone/reading.py."""
    readers = [
        column_call("number", (), column.form) if column is not None and column.has_numbers else None
        for column in (column_of(plan, steps.id), None if steps.order is None else column_of(plan, steps.order))
    ]
    return Call("StepRows", (steps.id, readers[0], steps.order, readers[1], str(plan.data.padding)))


def measured_metrics(plan: Plan) -> list[str]:
    """Returns the names of the metrics that the script computes."""
    names = ["loss"]
    for target in plan.targets:
        further = (f"{target.prefix}{measure}" for measure in target.class_measures)
        names += [target.loss_metric, *target.measures, *further]
    return [f"test_{name}" for name in dict.fromkeys(names)]
