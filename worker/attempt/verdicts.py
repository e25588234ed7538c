"""Judges a training that is over."""

import traceback
from dataclasses import replace
from typing import assert_never

from bakehouse.runs.record import finite
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.rules import judge
from bakehouse.verdict.verdict import Verdict
from worker.training.events import Finished, NonFinite
from worker.training.training import Training


def verdicts_of(training: Training, ending: Finished | NonFinite) -> tuple[Verdict, ...]:
    """Returns the verdicts on a training that has finished or whose loss is not finite, the gravest first."""
    try:
        return judge(outcome_of(training, ending))
    except Exception as error:  # noqa: BLE001 - a fault in a rule must not cost a training that is complete
        traceback.print_exc()
        return (not_judged(error),)


def not_judged(error: Exception) -> Verdict:
    """Returns the verdict that there is none, and why."""
    message = (
        f"this run could not be judged, by an error of Bakehouse ({type(error).__name__}); its results are complete"
    )
    return Verdict(code="not_judged", severity="info", message=message, source="the attempt's log")


def outcome_of(training: Training, ending: Finished | NonFinite) -> Outcome:
    """Returns what the rules look at."""
    outcome = Outcome(
        plan=training.plan,
        reason="non_finite",
        epochs=training.history.epochs,
        best_epoch=training.stopper.best_epoch,
        diagnostics={name: finite(values) for name, values in training.history.diagnostics.items()},
        first_gradients=finite(training.history.first_gradients),
        never_predicted=training.final.never_predicted(),
    )
    match ending:
        case Finished(ending=reason, metrics=test):
            return replace(outcome, reason=reason, test=test)
        case NonFinite(step=step):
            return replace(outcome, diverged_at=step)
        case _:
            assert_never(ending)
