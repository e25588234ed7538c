"""Advice on penalties, decay and constraints."""

from collections.abc import Iterator

from bakehouse.advice.advice import Advice, remove, replace
from bakehouse.plan.checks.norm import layers_before_norms
from bakehouse.plan.layers import Affine
from bakehouse.plan.plan import Plan
from bakehouse.recipe.architecture import Linear
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm
from bakehouse.recipe.optimizer import Adam, Rmsprop
from bakehouse.recipe.regularizer import L1, L2, AnyRegularizer, MaxNorm, WeightDecay, WeightNoise

MAX_DECAY_WITH_MAX_NORM = 1e-3


def l2_with_adam(plan: Plan) -> Iterator[Advice]:
    """Adam and RMSprop divide the penalty's gradient by its own size."""
    optimizer = plan.recipe.optimizer
    for index, item in penalties(plan):
        if isinstance(item, L2) and isinstance(optimizer, Adam | Rmsprop) and not has(plan, WeightDecay):
            decay = WeightDecay(include_biases=item.include_biases, include_norms=item.include_norms)
            yield Advice(
                code="l2_with_adam",
                severity="warning",
                pointer=f"/regularizer/{index}",
                message=f"{optimizer.type} divides the gradient of l2 ({item.coefficient:g} w) by its running size, so "
                "weights with large gradients are hardly decayed. Decoupled weight_decay shrinks all alike.",
                source="Loshchilov & Hutter 2019, arXiv 1711.05101",
                patch=replace(f"/regularizer/{index}", decay),
            )


def l2_before_batch_norm(plan: Plan) -> Iterator[Advice]:
    """A norm over the batch divides the size of the weights before it out again."""
    if not isinstance(plan.recipe.norm, BatchNorm | BatchRenorm | CrossIterationBatchNorm):
        return
    scaled = sum(isinstance(before, Affine) for before in layers_before_norms(plan.root))
    for index, item in penalties(plan):
        if isinstance(item, L2) and scaled:
            yield Advice(
                code="l2_before_batch_norm",
                severity="info",
                pointer=f"/regularizer/{index}",
                message=f"{plan.recipe.norm.type} follows the weights of {scaled} layers directly: its outputs are "
                "the same whatever their size. There l2 limits no function: it keeps the weights small, and with that "
                "the effective learning rate large. Compare with a schedule before you call it a regularizer.",
                source="van Laarhoven 2017, arXiv 1706.05350",
                patch=remove(f"/regularizer/{index}"),
            )


def two_decays(plan: Plan) -> Iterator[Advice]:
    """Two coefficients for one effect."""
    for index, item in penalties(plan):
        if isinstance(item, L2) and has(plan, WeightDecay):
            yield Advice(
                code="two_decays",
                severity="error",
                pointer=f"/regularizer/{index}",
                message=f"l2 ({item.coefficient:g}) and weight_decay both shrink the weights; pick one.",
                source="Loshchilov & Hutter 2019, arXiv 1711.05101, section 2",
                patch=remove(f"/regularizer/{index}"),
            )


def decay_too_strong(plan: Plan) -> Iterator[Advice]:
    """A step that takes away a whole weight or more."""
    lr = plan.recipe.optimizer.lr
    for index, item in penalties(plan):
        # The steps of Adam and RMSprop are some lr long, however large the penalty's gradient.
        bounded = isinstance(plan.recipe.optimizer, Adam | Rmsprop) and isinstance(item, L2)
        if not isinstance(item, L1 | L2 | WeightDecay) or bounded or lr * item.coefficient < 1:
            continue
        effect = "takes 1 or more off each weight" if isinstance(item, L1) else "takes weights to zero or past it"
        default = type(item)().coefficient
        yield Advice(
            code="decay_too_strong",
            severity="error",
            pointer=f"/regularizer/{index}/coefficient",
            message=f"lr {lr:g} times {item.type} {item.coefficient:g} is {lr * item.coefficient:g}; a step at 1 or "
            f"more {effect}.",
            source="Goodfellow et al. 2016, Deep Learning, 7.1",
            patch=replace(f"/regularizer/{index}/coefficient", min(default, 0.1 / lr)),
        )


def l1_subgradient(plan: Plan) -> Iterator[Advice]:
    """Weights that should be zero swing around it."""
    for index, item in penalties(plan):
        if isinstance(item, L1) and item.method == "subgradient":
            yield Advice(
                code="l1_subgradient",
                severity="warning",
                pointer=f"/regularizer/{index}/method",
                message=f"a gradient of {item.coefficient:g} sign(w) steps over zero and back: no weight becomes "
                "exactly zero. The proximal step stops there.",
                source="Parikh & Boyd 2014, Proximal Algorithms",
                patch=replace(f"/regularizer/{index}/method", "proximal"),
            )


def decay_of_biases_and_norms(plan: Plan) -> Iterator[Advice]:
    """What shifts and scales needs no small values."""
    for index, item in penalties(plan):
        if not isinstance(item, L1 | L2 | WeightDecay) or not (item.include_biases or item.include_norms):
            continue
        named = [name for name in ("include_biases", "include_norms") if getattr(item, name)]
        what = " and ".join(
            {"include_biases": "biases", "include_norms": "scales and shifts of norms"}[name] for name in named
        )
        yield Advice(
            code="decay_of_biases_and_norms",
            severity="warning",
            pointer=f"/regularizer/{index}/{named[0]}",
            message=f"{item.type} at {item.coefficient:g} also draws {what} to 0; they hardly overfit, and models "
            "without this were found the better ones.",
            source="Goodfellow et al. 2016, Deep Learning, 7.1; He et al. 2019, arXiv 1812.01187, section 3.1",
            patch=replace(
                f"/regularizer/{index}", item.model_copy(update={"include_biases": False, "include_norms": False})
            ),
        )


def max_norm_with_decay(plan: Plan) -> Iterator[Advice]:
    """A ceiling that is never reached."""
    for index, item in penalties(plan):
        if isinstance(item, L2 | WeightDecay) and has(plan, MaxNorm) and item.coefficient > MAX_DECAY_WITH_MAX_NORM:
            yield Advice(
                code="max_norm_with_decay",
                severity="info",
                pointer=f"/regularizer/{index}/coefficient",
                message=f"{item.type} at {item.coefficient:g} keeps weights small, so that max_norm seldom acts; "
                f"{MAX_DECAY_WITH_MAX_NORM:g} or less leaves it room.",
                source="Goodfellow et al. 2016, Deep Learning, 7.2",
                patch=replace(f"/regularizer/{index}/coefficient", MAX_DECAY_WITH_MAX_NORM),
            )


def weight_noise_without_effect(plan: Plan) -> Iterator[Advice]:
    """What noise adds to the loss of a model that is linear in its weights does not depend on them."""
    recipe = plan.recipe
    if not isinstance(recipe.architecture, Linear) or recipe.objective.loss != "squared_error":
        return
    for index, item in penalties(plan):
        if isinstance(item, WeightNoise):
            yield Advice(
                code="weight_noise_without_effect",
                severity="warning",
                pointer=f"/regularizer/{index}",
                message=f"noise of variance {item.variance:g} on the weights of a linear regression adds a constant to "
                "its expected loss, the same for all weights, and only disturbs the steps.",
                source="Goodfellow et al. 2016, Deep Learning, 7.5",
                patch=remove(f"/regularizer/{index}"),
            )


def penalties(plan: Plan) -> Iterator[tuple[int, AnyRegularizer]]:
    """The recipe's regularizers with their places."""
    return enumerate(plan.recipe.regularizer)


def has(plan: Plan, kind: type[AnyRegularizer]) -> bool:
    """Whether the recipe has one of this kind."""
    return any(isinstance(item, kind) for item in plan.recipe.regularizer)
