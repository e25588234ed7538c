"""The last verdict on every run that learned: what it reached."""

from collections.abc import Iterator

from bakehouse.verdict.learning import learned_nothing
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.rule import Found, rule
from bakehouse.verdict.words import name_of, value_of

TEST_METRICS = ("test_accuracy", "test_r2", "test_loss")


@rule("info", source="this run's log")
def learned(outcome: Outcome) -> Iterator[Found]:
    """The run learned; says what its best weights reach."""
    if outcome.best_epoch not in outcome.epochs or any(learned_nothing(outcome)):
        return
    monitor = outcome.monitor
    values = outcome.series(monitor)
    first, best = values[min(values)], outcome.best[monitor]
    verb = "fell" if best < first else "rose"
    text = f"{name_of(monitor)} {verb} to" if best != first else f"{name_of(monitor)} was"
    message = f"{text} {value_of(monitor, best)} at epoch {outcome.best_epoch}"
    tested = next((name for name in TEST_METRICS if name in outcome.test), None)
    yield Found(f"{message}; {name_of(tested)} {value_of(tested, outcome.test[tested])}" if tested else message)
