"""Judges a training that is over."""

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
    outcome = Outcome(
        plan=training.plan,
        reason="non_finite",
        epochs=training.history.epochs,
        best_epoch=training.stopper.best_epoch,
        diagnostics={name: finite(values) for name, values in training.history.diagnostics.items()},
        never_predicted=training.final.never_predicted(),
    )
    match ending:
        case Finished(ending=reason, metrics=test):
            return judge(replace(outcome, reason=reason, test=test))
        case NonFinite(step=step):
            return judge(replace(outcome, diverged_at=step))
        case _:
            assert_never(ending)
