"""Advice on recurrent networks."""

from collections.abc import Iterator

from bakehouse.advice.advice import append, replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.layers import Recurrent, walk
from bakehouse.plan.plan import Plan
from bakehouse.recipe.architecture import Rnn
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, LayerNorm
from bakehouse.recipe.regularizer import GradientClip

NORMS_IN_CELLS = "Laurent et al. 2016, arXiv 1510.01378; Ba et al. 2016, arXiv 1607.06450"


@rule("warning", about=(Rnn, BatchNorm, BatchRenorm), source=NORMS_IN_CELLS)
def batch_norm_over_steps(plan: Plan) -> Iterator[Finding]:
    """All steps share one mean and variance, and the state is not normalised."""
    cells = recurrent_layers(plan)
    norm = plan.recipe.norm
    if cells and not isinstance(norm, Off) and norm.inside_cells and norm.statistics == "batch":
        message = f"{norm.type} takes one mean and variance over all {cells[0].input[0]} steps of a batch, although "
        message += "steps differ, and does not normalise the state; it sped up training and did not help "
        message += "generalization. layer_norm normalises each step of each row, and the state too."
        layer_norm = LayerNorm(eps=norm.eps, elementwise_affine=norm.affine)
        # A single unit minus its own mean is zero.
        yield Finding("/norm", message, replace("/norm", layer_norm if cells[0].hidden_size > 1 else Off()))


@rule("info", about=(Rnn, GradientClip), source="Pascanu et al. 2013, arXiv 1211.5063, section 3.2")
def recurrent_gradients_unclipped(plan: Plan) -> Iterator[Finding]:
    """The gradient is multiplied by the same weights at every step."""
    cells = recurrent_layers(plan)
    clip = GradientClip()
    if cells and not plan.recipe.find(GradientClip):
        message = f"a gradient passes the same weights at each of {cells[0].input[0]} steps and can grow with every "
        message += f"one; one large step may undo an epoch. gradient_clip limits its norm, here to {clip.max_norm:g}."
        yield Finding("/regularizer", message, append("/regularizer", clip))


def recurrent_layers(plan: Plan) -> list[Recurrent]:
    return [layer for _, layer in walk(plan.root) if isinstance(layer, Recurrent)]
