"""What each diagnostic says: a sentence with the direction, how much is usual and what to change, and a mark."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bakehouse.verdict.words import percent

Values = Mapping[str, Any]

USUAL_SHIFT = 1.75
USUAL_FLIPS = 0.02
MANY_FLAT = 0.3
MANY_DEAD = 0.7
VANISHING = 0.01
EXPLODING = 100.0
USUAL_GRADIENTS = (0.1, 10.0)
LARGE_DRIFT = 1.0
LARGE_CHANGE = 2.0
USUAL_LOSS_RATIO = 1.1
USUAL_ACCURACY_DROP = 0.02


class Reading(NamedTuple):
    """The values of a diagnostic as a sentence, and whether they are as usual."""

    is_usual: bool
    text: str

    @property
    def mark(self) -> str:
        """`ok` or `!`, for the margin of `bakehouse show`."""
        return "ok" if self.is_usual else "!"


def read_diagnostic(name: str, values: Values, epoch: int = 0) -> Reading:
    """Returns what the latest values of a diagnostic say, which were measured at the end of an epoch."""
    read = READERS.get(name)
    return Reading(is_usual=True, text=all_numbers(values)) if read is None else read(values, epoch)


def read_variance_shift(values: Values, epoch: int) -> Reading:
    ratios = largest(values, "layers", "ratio")
    if not ratios or None in values["ratio"]:
        return Reading(
            is_usual=False, text="the ratio of the variances is not finite: a norm has inputs that never vary"
        )
    layer, ratio = ratios[0]
    index = values["layers"].index(layer)
    moving, real = values["moving"][index], values["real"][index]
    text = (
        f"in evaluation, {layer} divides by {number(moving)} and its inputs have the variance {number(real)}, a ratio "
    )
    text += f"of {number(ratio)} (up to {USUAL_SHIFT} is usual)"
    if ratio <= USUAL_SHIFT:
        return Reading(is_usual=True, text=text)
    direction = "too small" if moving > real else "too large"
    text += f": its outputs are {direction}; "
    if epoch == 1:
        return Reading(is_usual=False, text=text + "in the first epochs moving averages simply lag")
    return Reading(
        is_usual=False, text=text + "move dropout behind the last norm, or set evaluation.statistics=population"
    )


def read_train_eval_gap(values: Values, epoch: int) -> Reading:
    train, evaluated = values["train_mode_loss"], values["eval_mode_loss"]
    text = f"on the same rows the loss is {number(train)} in training mode and {number(evaluated)} in evaluation mode"
    drop = 0.0
    if "eval_mode_accuracy" in values:
        drop = values["train_mode_accuracy"] - values["eval_mode_accuracy"]
        text += f" (accuracy {percent(values['train_mode_accuracy'])} and {percent(values['eval_mode_accuracy'])})"
    is_worse = train is None or evaluated is None or evaluated > USUAL_LOSS_RATIO * train
    text += "; evaluation mode is usually the better one"
    if not is_worse and drop <= USUAL_ACCURACY_DROP:
        return Reading(is_usual=True, text=text)
    text += ", because dropout is off there: a norm divides by the wrong variance; move dropout behind the last norm, "
    return Reading(is_usual=False, text=text + "or set evaluation.statistics=population")


def read_inconsistent_samples(values: Values, epoch: int) -> Reading:
    training, evaluation = values["only_in_training_share"], values["only_in_evaluation_share"]
    text = f"of {values['rows']:,} rows, {percent(training)} are right only in training mode and {percent(evaluation)} "
    text += f"only in evaluation mode (up to {percent(USUAL_FLIPS)} is usual for the former)"
    if training <= USUAL_FLIPS:
        return Reading(is_usual=True, text=text)
    if training <= evaluation:
        return Reading(
            is_usual=True, text=f"{text}; the dropout masks change rows near the boundary in both directions"
        )
    return Reading(is_usual=False, text=f"{text}: a sign of variance shift; move dropout behind the last norm")


def read_saturation(values: Values, epoch: int) -> Reading:
    shares = largest(values, "layers", "saturated")
    if not shares:
        return Reading(is_usual=True, text="the model has no sigmoid or tanh layer")
    text = f"{percent(shares[0][1])} of the outputs of {shares[0][0]} are where the function is flat (up to "
    text += f"{percent(MANY_FLAT)} is usual)"
    if shares[0][1] <= MANY_FLAT:
        return Reading(is_usual=True, text=text)
    text += ": hardly any gradient passes; use relu, put a norm before the activation, or lower optimizer.lr"
    return Reading(is_usual=False, text=text)


def read_gradient_norms(values: Values, epoch: int) -> Reading:
    layers, ratio = values["layers"], values["first_to_last"]
    if ratio is None:
        return Reading(is_usual=False, text=f"the gradient of {layers[-1]} is 0 or not finite; lower optimizer.lr")
    low, high = USUAL_GRADIENTS
    text = f"the gradient of {layers[0]} is {number(ratio)} times as long as that of {layers[-1]} ({low:g} to {high:g} "
    text += "is usual)"
    if ratio < low:
        return Reading(
            is_usual=False, text=f"{text}: it vanishes on its way back; use relu instead of sigmoid or tanh, or a norm"
        )
    if ratio > high:
        return Reading(
            is_usual=False,
            text=f"{text}: it explodes on its way back; use gradient_clip, fewer layers, or a norm if there is none",
        )
    return Reading(is_usual=True, text=text)


def read_activation_drift(values: Values, epoch: int) -> Reading:
    moves = largest(values, "layers", "mean_drift")
    if not moves:
        return Reading(is_usual=True, text="drift is measured from the second epoch on")
    changes = largest(values, "layers", "variance_ratio", key=lambda pair: max(pair[1], 1 / pair[1] if pair[1] else 0))
    text = f"since the epoch before, the mean of the inputs of {moves[0][0]} moved by {number(moves[0][1])} standard "
    text += f"deviations (below {LARGE_DRIFT:g} is usual)"
    is_large = moves[0][1] > LARGE_DRIFT
    if changes:
        layer, ratio = changes[0]
        text += f" and the variance of those of {layer} changed to {number(ratio)} times (within a factor of "
        text += f"{LARGE_CHANGE:g} is usual)"
        is_large = is_large or ratio > LARGE_CHANGE or ratio < 1 / LARGE_CHANGE
    hint = ": layers still change fast; a lower optimizer.lr or a norm steadies them" if is_large else ""
    return Reading(not is_large, text + hint)


def read_sparsity(values: Values, epoch: int) -> Reading:
    text = f"{percent(values['zero_weights_in_all'])} of the weights are exactly 0"
    dead = largest(values, "activations", "dead_units")
    if not dead:
        return Reading(is_usual=True, text=text)
    text += f", and {percent(dead[0][1])} of the units of {dead[0][0]} are 0 for every row (up to {percent(MANY_DEAD)} "
    text += "is usual)"
    if dead[0][1] <= MANY_DEAD:
        return Reading(is_usual=True, text=text)
    return Reading(
        is_usual=False, text=f"{text}: these units learn nothing more; lower optimizer.lr, or use leaky_relu or a norm"
    )


def read_clean_gap(values: Values, epoch: int) -> Reading:
    gap, objective, clean = values["gap"], values["train_objective"], values["train_clean_loss"]
    if gap is None:
        return Reading(is_usual=False, text="the training loss is not finite; lower optimizer.lr")
    text = f"the objective is {number(objective)} and the clean training loss {number(clean)}; compare the validation "
    text += "loss with the clean one"
    if gap >= -0.1 * abs(clean):
        return Reading(is_usual=True, text=f"{text} (an objective at or above it is usual)")
    text += (
        ". The model is worse in evaluation mode, which is the sign of variance shift: move dropout behind the last "
    )
    return Reading(is_usual=False, text=text + "norm")


Reader = Callable[[Values, int], Reading]
READERS: dict[str, Reader] = {
    "variance_shift": read_variance_shift,
    "train_eval_gap": read_train_eval_gap,
    "inconsistent_samples": read_inconsistent_samples,
    "saturation": read_saturation,
    "gradient_norms": read_gradient_norms,
    "activation_drift": read_activation_drift,
    "sparsity": read_sparsity,
    "clean_gap": read_clean_gap,
}


def last_of(pair: tuple[str, float]) -> float:
    return pair[1]


def largest(
    values: Values, layers: str, field: str, *, key: Callable[[tuple[str, float]], float] = last_of
) -> list[tuple[str, float]]:
    """Returns the layers with their values, the largest first; values that are not finite are left out."""
    return sorted(named_values(values, layers, field), key=key, reverse=True)


def named_values(values: Values, layers: str, field: str) -> list[tuple[str, float]]:
    """Returns each layer with its value, in order."""
    pairs = zip(values.get(layers, ()), values.get(field, ()), strict=False)
    return [(layer, value) for layer, value in pairs if value is not None]


def number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"


def all_numbers(values: Values) -> str:
    """Returns the numbers and lists of a diagnostic that has no sentence."""
    return "  ".join(f"{name} {listed(value)}" for name, value in values.items() if not isinstance(value, str))


def listed(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(listed, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
