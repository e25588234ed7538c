"""Answers what other early stopping would have done to a run, from the metrics of its epochs. All functions are pure.

The metrics of an epoch do not depend on the criterion, which only decides whether another epoch follows. So the very
stopper that trains gives the same epochs as a training with that criterion.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from bakehouse.early_stopping import EarlyStopper
from bakehouse.model import JsonObject, Model
from bakehouse.plurals import count_of
from bakehouse.recipe.early_stopping import AnyEarlyStopping
from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.recipe.ingredient import Off
from bakehouse.runs.run import Event

METRIC_PREFIXES = ("train_", "validation_")


class BestEpoch(Model):
    """The epoch that a criterion takes for the best."""

    epoch: int
    value: float
    """The monitored metric at this epoch."""
    metrics: dict[str, float | None]
    """The metrics of this epoch on the training and validation split."""


Decision = Literal["stops", "never_stops", "undecided"]


class WhatIfAnswer(Model):
    """What a run would have been with another setting of early stopping."""

    early_stopping: JsonObject
    """The setting as in a canonical recipe: every default is filled in."""
    name: str
    """The setting in words, such as `patience 5`."""
    decision: Decision
    """`stops`: the criterion ends the run after `stop_epoch`. `never_stops`: the run trains all epochs of its recipe.
    `undecided`: the run has ended, or has come only so far, before the criterion decides; all other fields are null
    then."""
    stop_epoch: int | None = None
    """The last epoch that would have been trained."""
    best: BestEpoch | None = None
    """The best epoch, whose weights would have been the result. Null if the monitor was finite in no epoch up to the
    last one, so that the run would have failed."""
    epochs_saved: int | None = None
    """Number of measured epochs after `stop_epoch`."""
    seconds_saved: float | None = None
    """Time that these epochs took, in seconds."""
    lost: float | None = None
    """By how much the monitor at `best` is worse than at the best of all measured epochs; 0 if it is not worse."""
    sentence: str
    """The answer in words."""


class WhatIf(Model):
    """The answers for a run."""

    run: str
    monitor: str
    """The metric by which early stopping judges."""
    epochs: int
    """Number of measured epochs."""
    is_complete: bool
    """Whether these are all epochs of the recipe, so that nothing is undecided."""
    best: BestEpoch | None
    """The best of all measured epochs. Null if the monitor was finite in none of them."""
    answers: tuple[WhatIfAnswer, ...]
    """The answer to each setting, in the order of the question."""
    sentence: str
    """The answer in words of the setting that saves epochs and loses least, and of several the one that saves most."""


@dataclass(frozen=True, slots=True)
class MeasuredEpoch:
    """The metrics of an epoch as they are logged, with null for a number that was not finite."""

    epoch: int
    seconds: float
    metrics: dict[str, float | None]


@dataclass(frozen=True)
class MeasuredCurve:
    """All epochs of a run so far."""

    monitor: str
    epochs: int
    """The epochs of the recipe, after which every run ends."""
    measured: Sequence[MeasuredEpoch]

    @property
    def is_complete(self) -> bool:
        """Whether all epochs of the recipe were trained."""
        return len(self.measured) >= self.epochs

    @cached_property
    def observed(self) -> list[tuple[int, float, float]]:
        """What training shows a stopper: each epoch with its monitor and its train loss."""
        return [
            (each.epoch, or_nan(each.metrics[self.monitor]), or_nan(each.metrics["train_loss"]))
            for each in self.measured
        ]

    @cached_property
    def best(self) -> MeasuredEpoch | None:
        """The first epoch with the best finite value of the monitor."""
        sign = -1.0 if is_higher_better(self.monitor) else 1.0
        finite = [(sign * value, each) for each in self.measured if (value := each.metrics[self.monitor]) is not None]
        return min(finite, key=lambda pair: pair[0])[1] if finite else None


def curve_of(events: Iterable[Event], *, monitor: str, epochs: int) -> MeasuredCurve:
    """Returns the epochs in the log of a run, whose recipe has this monitor and so many epochs."""
    measured = [
        MeasuredEpoch(
            epoch=event.data["epoch"],
            seconds=event.data["seconds"],
            metrics={name: value for name, value in event.data.items() if name.startswith(METRIC_PREFIXES)},
        )
        for event in events
        if event.type == "epoch"
    ]
    return MeasuredCurve(monitor, epochs, measured)


def what_if(run_id: str, curve: MeasuredCurve, settings: Iterable[AnyEarlyStopping]) -> WhatIf:
    """Returns what each setting would have done to a run."""
    best = curve.best
    answers = tuple(answer_for(setting, curve) for setting in settings)
    return WhatIf(
        run=run_id,
        monitor=curve.monitor,
        epochs=len(curve.measured),
        is_complete=curve.is_complete,
        best=None if best is None else best_epoch(best, curve.monitor),
        answers=answers,
        sentence=most_useful(answers).sentence,
    )


def answer_for(setting: AnyEarlyStopping, curve: MeasuredCurve) -> WhatIfAnswer:
    """Returns what a setting would have done."""
    stopper, stop_epoch = replay(setting, curve)
    canonical = setting.model_dump(mode="json")
    name = name_of(setting)
    if stop_epoch is None and not curve.is_complete:
        measured = f"{len(curve.measured)} of {count_of(curve.epochs, 'epoch')} were measured"
        sentence = f"{name} is undecided: {measured}, and it does not stop within them"
        return WhatIfAnswer(early_stopping=canonical, name=name, decision="undecided", sentence=sentence)
    last = stop_epoch or curve.epochs
    best = curve.measured[stopper.best_epoch - 1] if stopper.best_epoch else None
    later = curve.measured[last:]
    lost = loss_against_best(best, curve)
    return WhatIfAnswer(
        early_stopping=canonical,
        name=name,
        decision="never_stops" if stop_epoch is None else "stops",
        stop_epoch=last,
        best=None if best is None else best_epoch(best, curve.monitor),
        epochs_saved=len(later),
        seconds_saved=round(math.fsum(each.seconds for each in later), 6),
        lost=lost,
        sentence=f"{name} {describe_stop(stop_epoch, curve)} and {describe_loss(lost, curve.monitor)}",
    )


def replay(setting: AnyEarlyStopping, curve: MeasuredCurve) -> tuple[EarlyStopper, int | None]:
    """Shows a stopper the epochs, as training does; returns it with the epoch after which it ends the run, if any."""
    stopper = EarlyStopper(setting, monitor=curve.monitor)
    for epoch, value, train_loss in curve.observed:
        stopper.observe(epoch, value, train_loss=train_loss)
        if stopper.is_over(epoch):
            return stopper, epoch
    return stopper, None


def or_nan(value: float | None) -> float:
    # The log has null for a number that was not finite; the stopper treats all of these alike.
    return math.nan if value is None else value


def best_epoch(measured: MeasuredEpoch, monitor: str) -> BestEpoch:
    """Returns an epoch at which the monitor is finite."""
    return BestEpoch(epoch=measured.epoch, value=or_nan(measured.metrics[monitor]), metrics=measured.metrics)


def loss_against_best(best: MeasuredEpoch | None, curve: MeasuredCurve) -> float | None:
    """Returns by how much the monitor at an epoch is worse than at the best of all."""
    if best is None or curve.best is None:
        return None
    return abs(or_nan(best.metrics[curve.monitor]) - or_nan(curve.best.metrics[curve.monitor]))


def most_useful(answers: Sequence[WhatIfAnswer]) -> WhatIfAnswer:
    """Returns, of the settings that save epochs, the answer that lost least, and of several the one that saves most; if
    none saves any, one that is decided rather than an undecided one."""
    decisions = get_args(Decision)

    def rank(answer: WhatIfAnswer) -> tuple[bool, int, float, int]:
        saved = answer.epochs_saved or 0
        lost = math.inf if answer.lost is None else answer.lost
        return saved == 0, decisions.index(answer.decision), lost, -saved

    return min(answers, key=rank)


def name_of(setting: AnyEarlyStopping) -> str:
    """Returns a setting in words: `patience 3 with min_epochs 10`."""
    if isinstance(setting, Off):
        return "early_stopping none"
    fields = {name: getattr(setting, name) for name in type(setting).model_fields if name not in ("type", setting.main)}
    changed = [
        f"{name} {value:g}" for name, value in fields.items() if value != type(setting).model_fields[name].default
    ]
    more = f" with {' and '.join(changed)}" if changed else ""
    return f"{setting.type} {getattr(setting, setting.main or ''):g}{more}"


def describe_stop(stop_epoch: int | None, curve: MeasuredCurve) -> str:
    total = len(curve.measured)
    if stop_epoch is None:
        return f"never stops early: it would have trained all {count_of(total, 'epoch')}"
    if stop_epoch == total:
        return f"would have stopped at epoch {stop_epoch}, where the run ended too,"
    return f"would have stopped at epoch {stop_epoch}, saved {total - stop_epoch} of {count_of(total, 'epoch')}"


def describe_loss(lost: float | None, monitor: str) -> str:
    if lost is None:
        return f"failed, because {monitor} was finite in none of its epochs"
    return f"lost {lost:.3g} of {monitor}" if lost else "lost nothing"
