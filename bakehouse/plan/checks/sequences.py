"""What sequences and recurrent cells cannot do."""

from collections.abc import Iterator

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.architecture import Rnn
from bakehouse.recipe.norm import CrossIterationBatchNorm, InstanceNorm
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe

INSIDE_CELLS = ("none", "layer_norm", "group_norm", "batch_norm", "batch_renorm")


def steps_where_needed(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """A row of numbers has no order to go through."""
    if isinstance(recipe.architecture, Rnn) and len(data.shape) == 1:
        message = f"rnn needs sequences or images; {recipe.dataset.id} holds rows of {data.shape[0]} numbers"
        yield conflict("/architecture/type", message, ("linear", "mlp"))


def norm_fits_cell(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Of a step there is one row of summed inputs, and one set of weights for all steps."""
    if not isinstance(recipe.architecture, Rnn):
        return
    match recipe.norm:
        case InstanceNorm():
            why = "normalises a channel over its pixels, and a summed input of a step is one number"
        case CrossIterationBatchNorm():
            why = "is known for weights that a step of the optimizer uses once, and a cell's are used at every step"
        case _:
            return
    yield conflict("/norm/type", f"{recipe.norm.type} {why}", INSIDE_CELLS)
