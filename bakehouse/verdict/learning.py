"""Verdicts on models that predict no better than a guess."""

from collections.abc import Iterator
from math import inf, log

from bakehouse.advice.advice import replace
from bakehouse.advice.class_shares import class_shares
from bakehouse.plan.layers import Activation, Norm, walk
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of, listed
from bakehouse.recipe.architecture import Rnn
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.norm import LayerNorm
from bakehouse.recipe.patch import PatchStep
from bakehouse.verdict.chance import Guess, best_guess, wilson_interval
from bakehouse.verdict.divergence import peak_epoch, smaller_lr
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.readings import VANISHING, read_diagnostic
from bakehouse.verdict.rule import Found, rule
from bakehouse.verdict.words import percent

NEARLY = 0.97
"""A loss above this share of a guess's loss is that of a guess."""
NOT_FAR = 0.85
"""Random weights may have a loss of this share of a guess's loss."""
LEAST_R2 = 0.02
LEAST_FALL = 0.01
"""A training loss that fell by less in the whole run has not fallen."""
LEAST_ROWS = 5
"""A class that is expected in fewer rows of the test split may be left out by chance."""
FEW_STEPS = 500
MANY_SIGMOIDS = 4
MAX_EPOCHS = 100_000
MEMORY = 0.1
"""A training accuracy so far above that of a guess shows that the model has learned its training rows."""
GLOROT = "Glorot & Bengio 2010, AISTATS"


@rule("error", source="Goodfellow et al. 2016, Deep Learning, 11.2 and 11.4.1")
def learned_nothing(outcome: Outcome) -> Iterator[Found]:
    """The model is no better than the same answer for every row."""
    guess = best_guess(outcome.plan)
    # A run that began with an earlier version has no history of its first epochs.
    if outcome.best_epoch not in outcome.epochs or outcome.diverged_at is not None:
        return
    message = no_better_than_mean(outcome) if guess is None else no_better_than_class(outcome, guess)
    if message:
        hint, patch = remedy(outcome)
        yield Found(f"{message}; {hint}", patch)


@rule("warning", source="Japkowicz & Stephen 2002, Intelligent Data Analysis 6")
def classes_never_predicted(outcome: Outcome) -> Iterator[Found]:
    """Some classes are in the test split and never in the predictions."""
    classes = outcome.plan.data.main.classes
    # A model that always gives one answer needs another sentence.
    if classes is None or any(learned_nothing(outcome)):
        return
    shares = class_shares(outcome.plan) or (1 / len(classes),) * len(classes)
    rows = outcome.plan.sizes.test
    missed = [index for index in outcome.never_predicted if shares[index] * rows >= LEAST_ROWS]
    if missed:
        names = listed([f"{classes[index]} ({percent(shares[index])} of the rows)" for index in missed], 5)
        yield Found(f"the model predicts these classes for no row of the test split: {names}")


def no_better_than_class(outcome: Outcome, guess: Guess) -> str:
    """Returns that neither accuracy nor loss is better than always answering the commonest class; else an empty
    text."""
    hits, rows = right_rows(outcome)
    loss = outcome.best.get(main_loss(outcome), inf)
    # Random weights alone may be right more often than a guess.
    is_by_chance = wilson_interval(hits / rows, rows)[0] <= guess.accuracy and loss >= NEARLY * guess.loss
    # Such a model is less often right than a guess because it finds rare classes, which is what it was asked for.
    is_by_chance &= not is_balanced(outcome.plan)
    # A model that knows its training rows has learned something, even if nothing general.
    knows_rows = outcome.last.get("train_accuracy", 0.0) > guess.accuracy + MEMORY
    if not (is_by_chance and not knows_rows) and not (is_flat(outcome) and loss >= NOT_FAR * guess.loss):
        return ""
    message = f"no better than always answering {guess.answer} ({percent(guess.accuracy)} of the rows): "
    message += f"{percent(hits / rows)} of {count_of(rows, 'row')} are right"
    message += ", the training loss has not fallen" if is_flat(outcome) else ""
    uniform = log(guess.classes)
    if loss > uniform:
        return f"{message}, and the loss {loss:.4g} is above ln {guess.classes} = {uniform:.3g}, that of a guess"
    return f"{message}, and the loss is {loss:.4g}"


def is_balanced(plan: Plan) -> bool:
    """Whether rare classes count more in training than they are common."""
    return plan.recipe.objective.class_weights != "none" or plan.recipe.dataset.sampling != "none"


def right_rows(outcome: Outcome) -> tuple[float, int]:
    """Returns how many rows of the validation and test splits are predicted correctly, and of how many."""
    sizes = outcome.plan.sizes
    hits = sizes.validation * outcome.best.get("validation_accuracy", 0.0)
    if "test_accuracy" not in outcome.test:
        return hits, sizes.validation
    return hits + sizes.test * outcome.test["test_accuracy"], sizes.validation + sizes.test


def no_better_than_mean(outcome: Outcome) -> str:
    """Returns that the model explains nothing of the numbers' variance; else an empty text."""
    found = [metrics[name] for metrics, name in ((outcome.best, "validation_r2"), (outcome.test, "test_r2"))
             if name in metrics]  # fmt: skip
    loss = outcome.best.get(main_loss(outcome), inf)
    if found and is_flat(outcome):
        return f"the training loss has not fallen: R^2 is {max(found):.3g}, that of the first weights"
    if not found or not max(found) < LEAST_R2:
        return ""
    # A training loss far below the clean one shows that the model knows its training rows.
    if outcome.last.get("train_loss", inf) < loss / 2:
        return ""
    return f"no better than always answering the mean: R^2 is {max(found):.3g} at best, and the loss is {loss:.4g}"


def is_flat(outcome: Outcome) -> bool:
    """Whether the training loss of weights that were drawn at random is that of the first epoch."""
    losses = list(outcome.series("train_loss").values())
    is_new = isinstance(outcome.plan.recipe.pretraining, Off)
    return is_new and len(losses) > 1 and min(losses) > (1 - LEAST_FALL) * losses[0]


def main_loss(outcome: Outcome) -> str:
    return f"validation_{outcome.plan.data.main.loss_metric}"


def remedy(outcome: Outcome) -> tuple[str, tuple[PatchStep, ...]]:
    """Returns what is most likely to help a model that learns nothing, as text and as a patch."""
    plan = outcome.plan
    optimizer = plan.recipe.optimizer
    usual = type(optimizer)().lr
    vanishing = vanishing_text(outcome)
    if vanishing and other_activation(plan):
        return f"{vanishing}; try architecture.activation relu", other_activation(plan)
    if optimizer.lr > 3 * usual or outcome.best.get(main_loss(outcome), 0.0) > 2 * start_loss(outcome):
        lr = usual if optimizer.lr > 3 * usual else smaller_lr(plan)
        return f"try optimizer.lr {lr:g}", replace("/optimizer/lr", lr)
    if optimizer.lr < usual / 3:
        return f"try optimizer.lr {usual:g}, the default", replace("/optimizer/lr", usual)
    if vanishing:
        return vanishing, with_norm(plan)
    if outcome.last_epoch * plan.steps_per_epoch < FEW_STEPS:
        epochs = min(MAX_EPOCHS, max(plan.recipe.epochs * 4, -(-FEW_STEPS // plan.steps_per_epoch)))
        steps = outcome.last_epoch * plan.steps_per_epoch
        return f"it had {count_of(steps, 'step')}; try epochs {epochs}", replace("/epochs", epochs)
    return "check that the inputs say something about the target, and that rows and labels belong together", ()


def vanishing_text(outcome: Outcome) -> str:
    """Returns how gradients vanish, as measured or, if they were not measured, by the plan; else an empty text."""
    for ratio, text in measured_gradients(outcome):
        if ratio < VANISHING:
            return text
    is_measured = outcome.first_gradients or "gradient_norms" in outcome.diagnostics
    sigmoids = sigmoid_layers(outcome.plan)
    if is_measured or sigmoids < MANY_SIGMOIDS:
        return ""
    text = (
        "judged by the plan, because no gradient was measured, gradients vanish in "
        f"{count_of(sigmoids, 'layer')} of sigmoid "
    )
    return f"{text}without a norm (each shortens them to a quarter at most, {GLOROT})"


def measured_gradients(outcome: Outcome) -> list[tuple[float, str]]:
    """Returns the measured ratios of the first layer's gradient to the last layer's, after the first epoch and at the
    end, each with what it says; none after a divergence, whose dead units have no gradient."""
    if peak_epoch(outcome) is not None:
        return []
    found = []
    for when, epoch, values in (
        ("after the first epoch, ", 1, outcome.first_gradients),
        ("", outcome.last_epoch, outcome.diagnostics.get("gradient_norms", {})),
    ):
        ratio = values.get("first_to_last")
        if ratio is not None:
            found.append((ratio, when + read_diagnostic("gradient_norms", values, epoch).text))
    return found


def other_activation(plan: Plan) -> tuple[PatchStep, ...]:
    """Returns a patch to relu, if the network has an activation that saturates and that can be changed."""
    architecture = plan.recipe.architecture
    is_flat = getattr(architecture, "activation", None) in ("sigmoid", "tanh")
    return replace("/architecture/activation", "relu") if is_flat and not isinstance(architecture, Rnn) else ()


def with_norm(plan: Plan) -> tuple[PatchStep, ...]:
    """Returns a patch that adds a norm, which suits any batch size, to a network without one."""
    return replace("/norm", LayerNorm()) if isinstance(plan.recipe.norm, Off) else ()


def start_loss(outcome: Outcome) -> float:
    """Returns the loss of a guess, where it is known."""
    guess = best_guess(outcome.plan)
    return guess.loss if guess is not None else inf


def sigmoid_layers(plan: Plan) -> int:
    """Returns the number of sigmoid layers in a network without norms; 0 if there is a norm."""
    layers = [layer for _, layer in walk(plan.root)]
    if any(isinstance(layer, Norm) for layer in layers):
        return 0
    return sum(isinstance(layer, Activation) and layer.name == "sigmoid" for layer in layers)
