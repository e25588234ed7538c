"""Advice on penalties, decay and constraints."""

from collections.abc import Iterator

from bakehouse.advice.advice import remove, replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.checks.norm import layers_before_norms
from bakehouse.plan.layers import Affine
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of
from bakehouse.recipe.architecture import Linear
from bakehouse.recipe.norm import BATCH_NORMS
from bakehouse.recipe.optimizer import Adam, Rmsprop
from bakehouse.recipe.regularizer import L1, L2, MaxNorm, WeightDecay, WeightNoise

MAX_DECAY_WITH_MAX_NORM = 1e-3
DECOUPLED = "Loshchilov & Hutter 2019, arXiv 1711.05101"
BIASES = "Goodfellow et al. 2016, Deep Learning, 7.1; He et al. 2019, arXiv 1812.01187, section 3.1"


@rule("error", about=(L2, WeightDecay), source=f"{DECOUPLED}, section 2")
def two_decays(plan: Plan) -> Iterator[Finding]:
    """Two coefficients have the same effect."""
    for pointer, item in plan.recipe.find(L2).items():
        if plan.recipe.find(WeightDecay):
            message = f"l2 ({item.coefficient:g}) and weight_decay both shrink the weights; choose one."
            yield Finding(pointer, message, remove(pointer))


@rule("error", about=(L1, L2, WeightDecay), source="Goodfellow et al. 2016, Deep Learning, 7.1")
def decay_too_strong(plan: Plan) -> Iterator[Finding]:
    """Warns if the decay of one step removes a whole weight or more."""
    lr = plan.recipe.optimizer.lr
    for index, item in enumerate(plan.recipe.regularizer):
        # A step of Adam or RMSprop is a few lr long, however large the penalty's gradient.
        bounded = isinstance(plan.recipe.optimizer, Adam | Rmsprop) and isinstance(item, L2)
        if not isinstance(item, L1 | L2 | WeightDecay) or bounded or lr * item.coefficient < 1:
            continue
        effect = "takes 1 or more off each weight" if isinstance(item, L1) else "takes weights to zero or past it"
        message = f"lr {lr:g} times {item.type} {item.coefficient:g} is {lr * item.coefficient:g}; a step at 1 or more "
        pointer = f"/regularizer/{index}/coefficient"
        # 0.1 / lr takes a tenth of a weight per step, which is strong but cannot pass zero.
        yield Finding(pointer, f"{message}{effect}.", replace(pointer, min(type(item)().coefficient, 0.1 / lr)))


@rule("warning", about=(L2, Adam, Rmsprop), source=DECOUPLED)
def l2_with_adam(plan: Plan) -> Iterator[Finding]:
    """Adam and RMSprop divide the penalty's gradient by its own size."""
    optimizer = plan.recipe.optimizer
    # two_decays asks to remove l2 already; to replace it would leave two weight decays.
    if not isinstance(optimizer, Adam | Rmsprop) or plan.recipe.find(WeightDecay):
        return
    for pointer, item in plan.recipe.find(L2).items():
        message = f"{optimizer.type} divides the gradient of l2 ({item.coefficient:g} w) by its running size, so "
        message += "weights with large gradients hardly decay. Decoupled weight_decay shrinks all alike."
        decay = WeightDecay(include_biases=item.include_biases, include_norms=item.include_norms)
        yield Finding(pointer, message, replace(pointer, decay))


@rule("info", about=(L2, *BATCH_NORMS), source="van Laarhoven 2017, arXiv 1706.05350")
def l2_before_batch_norm(plan: Plan) -> Iterator[Finding]:
    """A norm over the batch cancels the size of the weights before it."""
    norm = plan.recipe.norm
    scaled = sum(isinstance(before, Affine) for before in layers_before_norms(plan.root))
    if not isinstance(norm, BATCH_NORMS) or not scaled:
        return
    for pointer in plan.recipe.find(L2):
        message = (
            f"{norm.type} directly follows the weights of {count_of(scaled, 'layer')} and "
            "cancels their size. There l2 does "
        )
        message += "not limit the function, it keeps the effective learning rate large: compare it with a schedule."
        yield Finding(pointer, message, remove(pointer))


@rule("warning", about=(L1,), source="Parikh & Boyd 2014, Proximal Algorithms")
def l1_subgradient(plan: Plan) -> Iterator[Finding]:
    """Weights that should be zero oscillate around it."""
    for pointer, item in plan.recipe.find(L1).items():
        if item.method == "subgradient":
            message = f"a gradient of {item.coefficient:g} sign(w) steps over zero and back: no weight becomes "
            message += "exactly zero. The proximal step stops at zero."
            yield Finding(f"{pointer}/method", message, replace(f"{pointer}/method", "proximal"))


@rule("warning", about=(L1, L2, WeightDecay), source=BIASES)
def decay_of_biases_and_norms(plan: Plan) -> Iterator[Finding]:
    """Biases, and the scales and shifts of norms, need not be small."""
    parameters = {"include_biases": "biases", "include_norms": "scales and shifts of norms"}
    for index, item in enumerate(plan.recipe.regularizer):
        included = [name for name in parameters if getattr(item, name, False)]
        if isinstance(item, L1 | L2 | WeightDecay) and included:
            names = " and ".join(parameters[name] for name in included)
            message = f"{item.type} at {item.coefficient:g} also pulls {names} to 0; they hardly overfit, and models "
            message += "without this decay were found to be better."
            weights_only = item.model_copy(update=dict.fromkeys(parameters, False))
            yield Finding(
                f"/regularizer/{index}/{included[0]}", message, replace(f"/regularizer/{index}", weights_only)
            )


@rule("info", about=(MaxNorm, L2, WeightDecay), source="Goodfellow et al. 2016, Deep Learning, 7.2")
def max_norm_with_decay(plan: Plan) -> Iterator[Finding]:
    """Strongly decayed weights never reach the limit of max_norm."""
    for index, item in enumerate(plan.recipe.regularizer if plan.recipe.find(MaxNorm) else ()):
        if isinstance(item, L2 | WeightDecay) and item.coefficient > MAX_DECAY_WITH_MAX_NORM:
            pointer = f"/regularizer/{index}/coefficient"
            message = f"{item.type} at {item.coefficient:g} keeps weights small, so max_norm seldom acts; "
            message += f"{MAX_DECAY_WITH_MAX_NORM:g} or less leaves it room."
            yield Finding(pointer, message, replace(pointer, MAX_DECAY_WITH_MAX_NORM))


@rule("warning", about=(WeightNoise,), source="Goodfellow et al. 2016, Deep Learning, 7.5")
def weight_noise_without_effect(plan: Plan) -> Iterator[Finding]:
    """In a model that is linear in its weights, noise on the weights adds a constant to the loss."""
    if not isinstance(plan.recipe.architecture, Linear) or plan.loss != "squared_error":
        return
    for pointer, item in plan.recipe.find(WeightNoise).items():
        message = f"noise of variance {item.variance:g} on the weights of a linear regression adds a constant to its "
        message += "expected loss, the same for all weights, and only disturbs the steps."
        yield Finding(pointer, message, remove(pointer))
