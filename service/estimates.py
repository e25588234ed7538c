"""Estimates the cost of a training: what follows from its shapes, and the time that it is expected to take."""

from collections.abc import Sequence

from bakehouse.model import Model
from bakehouse.plan.plan import Plan
from bakehouse.runs.durations import Basis, Capacity, duration_text, predict_total, total_text
from bakehouse.runs.measurements import Work, work_of


class SecondsEstimate(Model):
    """The range of seconds that a training is expected to take on one of the workers that are here, from the times of
    earlier trainings on devices of the same class. The time in the queue comes before that."""

    low: float
    high: float
    """Seconds for all epochs; early stopping may end the run sooner."""
    workers: int
    """Number of workers that are here."""
    basis: Basis
    """How much the earlier trainings are like this one: `same_ingredients` if they differ only in data, batch size,
    epochs, seed and early stopping; `same_architecture`; or `other_architectures`."""
    measurements: int
    """Number of earlier trainings that the range follows from."""
    text: str
    """The range as human-readable text."""


class TotalSeconds(Model):
    """The range of seconds in which the workers that are here are expected to train some runs, if they train no
    others."""

    low: float
    """Of a search 0, because trials may be pruned after any epoch."""
    high: float
    """Seconds if each run trains all its epochs; early stopping may end runs sooner. Of a search for the most runs that
    it may need, if each takes as long as the recipe whose fields it changes."""
    workers: int
    """Number of workers that are here."""
    text: str
    """The range as human-readable text."""


class TrainingEstimate(Model):
    """The estimated cost of the training: all but the seconds are computed from the shapes alone."""

    parameters: int
    """Number of learned parameters."""
    flops_per_sample: int
    """Floating-point operations of a forward pass per sample; training needs about three times as many."""
    memory_bytes: int
    """Bytes of memory for weights, gradients, optimizer state, one batch's activations, and the data."""
    steps: int
    """Number of steps, unless the run stops early."""
    train_rows: int
    """Number of rows of the training split."""
    validation_rows: int
    """Number of rows of the validation split."""
    test_rows: int
    """Number of rows of the test split."""
    seconds: SecondsEstimate | None = None
    """The time that the training is expected to take; null if it cannot be predicted."""
    seconds_reason: str | None = None
    """The reason why `seconds` is null, as human-readable text."""


def training_estimate(plan: Plan, capacity: Capacity) -> TrainingEstimate:
    seconds = seconds_estimate(work_of(plan), capacity)
    return TrainingEstimate(
        parameters=plan.estimate.parameters,
        flops_per_sample=plan.estimate.flops_per_sample,
        memory_bytes=plan.estimate.memory_bytes,
        steps=plan.steps,
        train_rows=plan.sizes.train,
        validation_rows=plan.sizes.validation,
        test_rows=plan.sizes.test,
        seconds=seconds,
        seconds_reason=capacity.reason() if seconds is None else None,
    )


def seconds_estimate(work: Work, capacity: Capacity) -> SecondsEstimate | None:
    duration = capacity.predict(work)
    if duration is None:
        return None
    return SecondsEstimate(
        low=round(duration.low, 3),
        high=round(duration.high, 3),
        workers=len(capacity.devices),
        basis=duration.basis,
        measurements=duration.measurements,
        text=duration_text(duration, work),
    )


def total_seconds(works: Sequence[Work], capacity: Capacity, max_running: int | None) -> TotalSeconds | None:
    """Predicts the time of many runs, of which at most `max_running` are trained at the same time."""
    # The runs of an arm differ only in their seeds.
    durations = {work: capacity.predict(work) for work in set(works)}
    workers = len(capacity.devices)
    bounds = predict_total([durations[work] for work in works], min(workers, max_running or workers))
    if bounds is None:
        return None
    low, high = bounds
    return TotalSeconds(low=round(low, 3), high=round(high, 3), workers=workers, text=total_text(bounds, workers))


def search_seconds(work: Work, runs: int, capacity: Capacity, max_running: int | None) -> TotalSeconds | None:
    """Predicts the time of a search that needs at most so many runs; `work` is that of the recipe whose fields it
    changes."""
    found = total_seconds([work] * runs, capacity, max_running)
    if found is None:
        return None
    text = total_text((0.0, found.high), found.workers)
    return found.model_copy(update={"low": 0.0, "text": f"{text}, if no trial is larger than the recipe"})
