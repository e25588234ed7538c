"""Notes on the columns of a table: what a recipe leaves out, and what becomes of empty cells."""

from collections.abc import Iterator

from bakehouse.advice.advice import replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.columns import LEARNABLE, MAX_NAMES, describe_kind, fitting_kinds, left_out, with_kinds
from bakehouse.plan.plan import Plan
from bakehouse.plurals import listed
from bakehouse.recipe.dataset import Columns, Dataset


@rule("info", about=(Dataset, Columns), source="Domingos 2012, Communications of the ACM 55")
def left_out_columns(plan: Plan) -> Iterator[Finding]:
    """Identifiers, free text and constants tell a model nothing about rows that it has not seen."""
    spec = plan.recipe.dataset.columns
    columns = with_kinds(plan.card.columns or (), spec)
    found = left_out(columns, spec, {target.name for target in plan.targets})
    if not found:
        return
    reasons = [f"{column.name} is {describe_kind(column.kind)}" for column in found]
    message = f"{listed(reasons)}: {'it is' if len(found) == 1 else 'they are'} no input."
    usable = [column.name for column in found if set(fitting_kinds(column)) & set(LEARNABLE)]
    if usable:
        message += f" To learn from {' or '.join(usable[:MAX_NAMES])}, set the kind in dataset.columns.kinds."
    names = [*spec.exclude, *(column.name for column in found)]
    yield Finding("/dataset/columns", message, replace("/dataset/columns/exclude", names))


@rule("info", about=(Columns,), source="Little & Rubin 2019, Statistical Analysis with Missing Data")
def empty_cells_filled(plan: Plan) -> Iterator[Finding]:
    """Empty cells of inputs are filled, which a user may not expect of the file."""
    names = {each.name for each in plan.data.inputs if each.has_gaps}
    missing = plan.recipe.dataset.columns.missing
    if not names:
        return
    rows = "rows" if plan.data.samples is not None else f"{plan.card.counts.train:,} rows"
    counts = [f"{column.name} in {column.missing:,}" for column in plan.card.columns or () if column.name in names]
    filled = "the median" if missing == "median" else "the mean"
    flag = ", and a further feature says where" if missing == "mean_and_flag" else ""
    message = f"inputs are empty in some of the {rows} ({listed(counts)}): numbers and dates are filled with {filled} "
    message += f"of the known training values, empty categories with zeros{flag}. missing: refuse would refuse them."
    yield Finding("/dataset/columns/missing", message, ())


@rule("info", about=(Dataset,), source="Little & Rubin 2019, Statistical Analysis with Missing Data")
def unlabelled_rows_left_out(plan: Plan) -> Iterator[Finding]:
    """A row without a label of the only target teaches nothing and cannot be measured."""
    if plan.data.unlabelled:
        rows = plan.card.counts.train
        message = (
            f"{plan.data.main.name} is empty in {plan.data.unlabelled:,} of {rows:,} rows, which are in no split: "
        )
        message += f"the recipe learns from and is measured on the other {rows - plan.data.unlabelled:,}."
        yield Finding("/dataset/target", message, ())
