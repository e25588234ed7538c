"""Advice on recurrent networks."""

from collections.abc import Iterator

from bakehouse.advice.advice import Advice, PatchStep, replace
from bakehouse.plan.layers import Recurrent, walk
from bakehouse.plan.plan import Plan
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, LayerNorm
from bakehouse.recipe.regularizer import GradientClip


def batch_norm_over_steps(plan: Plan) -> Iterator[Advice]:
    """One mean and variance for all steps, and none for the state."""
    cells, norm = recurrent_layers(plan), plan.recipe.norm
    if cells and isinstance(norm, BatchNorm | BatchRenorm):
        layer_norm = LayerNorm(eps=norm.eps, elementwise_affine=norm.affine)
        yield Advice(
            code="batch_norm_over_steps",
            severity="warning",
            pointer="/norm",
            message=f"{norm.type} takes one mean and variance over all {cells[0].input[0]} steps of a batch, although "
            "they differ from step to step, and leaves the state as it is; on inputs alone it was found to speed up "
            "training and not to help generalization. layer_norm looks at one step of one row, and at the state too.",
            source="Laurent et al. 2016, arXiv 1510.01378; Ba et al. 2016, arXiv 1607.06450",
            # A single unit minus its own mean is zero.
            patch=replace("/norm", layer_norm if cells[0].hidden_size > 1 else Off()),
        )


def recurrent_gradients_unclipped(plan: Plan) -> Iterator[Advice]:
    """The same weights as a factor of the gradient at every step."""
    cells = recurrent_layers(plan)
    if cells and not any(isinstance(item, GradientClip) for item in plan.recipe.regularizer):
        clip = GradientClip()
        yield Advice(
            code="recurrent_gradients_unclipped",
            severity="info",
            pointer="/regularizer",
            message=f"a gradient goes through the same weights at each of {cells[0].input[0]} steps and can grow with "
            f"every one; a single large step may undo an epoch. gradient_clip limits its norm, here to "
            f"{clip.max_norm:g}.",
            source="Pascanu et al. 2013, arXiv 1211.5063, section 3.2",
            patch=(PatchStep(op="add", path="/regularizer/-", value=clip.model_dump(mode="json")),),
        )


def recurrent_layers(plan: Plan) -> list[Recurrent]:
    """The recurrent layers of a model."""
    return [layer for _, layer in walk(plan.root) if isinstance(layer, Recurrent)]
