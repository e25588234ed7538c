"""Verdicts on runs whose loss rose beyond that of a guess."""

from collections.abc import Iterator

from bakehouse.advice.advice import replace
from bakehouse.plan.plan import Plan
from bakehouse.verdict.chance import best_guess
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.rule import Found, rule
from bakehouse.verdict.words import rounded

RISE = 3.0
"""A loss that is this many times the lowest earlier one has diverged, unless it is still small."""
SMALL = 0.25
"""Losses below this share of the first epoch's are too small for their ratio to say anything."""
ABOVE_GUESS = 2.0
FROM_LOSS = "Goodfellow et al. 2016, Deep Learning, 8.3 and 11.4.1"


@rule("error", source=FROM_LOSS)
def non_finite(outcome: Outcome) -> Iterator[Found]:
    """The loss is not a finite number."""
    if outcome.diverged_at is not None:
        lr = smaller_lr(outcome.plan)
        message = f"the loss was not finite at step {outcome.diverged_at:,}; try optimizer.lr {lr:g}"
        yield Found(message, replace("/optimizer/lr", lr))


@rule("warning", source=FROM_LOSS)
def diverged(outcome: Outcome) -> Iterator[Found]:
    """The loss rose far above its start and stayed there."""
    peak = peak_epoch(outcome)
    if peak is None or has_recovered(outcome, peak):
        return
    losses = outcome.series("train_loss")
    lr = smaller_lr(outcome.plan)
    message = (
        f"the training loss rose to {losses[peak]:.4g} at epoch {peak} (the lowest was {min(losses.values()):.4g}) "
    )
    message += f"and was {losses[outcome.last_epoch]:.4g} at the end; try optimizer.lr {lr:g}"
    yield Found(message, replace("/optimizer/lr", lr))


@rule("warning", source=FROM_LOSS)
def diverged_and_recovered(outcome: Outcome) -> Iterator[Found]:
    """The loss rose far above its start, and came back."""
    peak = peak_epoch(outcome)
    if peak is None or not has_recovered(outcome, peak):
        return
    losses = outcome.series("train_loss")
    message = f"the training loss rose to {losses[peak]:.4g} at epoch {peak} and came back to "
    message += f"{losses[outcome.last_epoch]:.4g}: steps are too large, and the epochs until then were lost; try "
    lr = smaller_lr(outcome.plan)
    yield Found(f"{message}optimizer.lr {lr:g}", replace("/optimizer/lr", lr))


def peak_epoch(outcome: Outcome) -> int | None:
    """Returns the epoch of the highest training loss, if that loss is a divergence."""
    losses = outcome.series("train_loss")
    if not losses:
        return None
    peak = max(losses, key=lambda epoch: losses[epoch])
    if losses[peak] > ABOVE_GUESS * guessed_loss(outcome):
        return peak
    before = [loss for epoch, loss in losses.items() if epoch < peak]
    has_risen = before and losses[peak] > RISE * min(before) and losses[peak] > SMALL * before[0]
    return peak if has_risen else None


def guessed_loss(outcome: Outcome) -> float:
    """Returns the loss of a guess, or infinity if the training loss cannot be compared with one."""
    objective = outcome.plan.recipe.objective
    guess = best_guess(outcome.plan)
    # An adversary raises the objective, and several targets add up in it.
    is_plain = guess is not None and objective.adversarial is None and len(outcome.plan.targets) == 1
    return guess.loss if guess is not None and is_plain else float("inf")


def has_recovered(outcome: Outcome, peak: int) -> bool:
    """Whether training ended far below its highest loss, and below a guess if that is known."""
    losses = outcome.series("train_loss")
    after = min((loss for epoch, loss in losses.items() if epoch > peak), default=float("inf"))
    return after < losses[peak] / 2 and after < guessed_loss(outcome)


def smaller_lr(plan: Plan) -> float:
    """Returns a tenth of the learning rate, or the optimizer's default if that is lower."""
    optimizer = plan.recipe.optimizer
    return rounded(min(optimizer.lr / 10, type(optimizer)().lr))
