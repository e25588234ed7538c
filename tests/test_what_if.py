"""What other early stopping would have done to a run, beside trainings that really had it."""

import json
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.runs.commands import EpochEntry
from bakehouse.runs.entries import entry_event
from bakehouse.runs.run import Event
from bakehouse.what_if import MeasuredCurve, MeasuredEpoch, WhatIf, curve_of, what_if
from bakehouse.what_if_question import read_question
from tests.small_trainings import IRIS, Document, epochs_of, make_training
from tests.test_early_stopping import GL, PATIENCE, PQ, TRAIN_LOSSES, UP, VALUES

LOSS = "validation_loss"
# The learning rate is so high that the validation loss rises and falls.
NOISY: Document = {
    **IRIS,
    "optimizer": {"type": "adam", "lr": 0.3},
    "epochs": 24,
    "curriculum": {"type": "self_paced", "warmup_epochs": 2},
    "early_stopping": "none",
}
CRITERIA: list[Any] = [
    2,
    {"type": "patience", "patience": 3, "min_delta": 0.05, "min_epochs": 9},
    {"type": "generalization_loss", "alpha": 30},
    {"type": "progress_quotient", "alpha": 0.05, "strip_length": 2},
    {"type": "successive_increases", "strips": 1, "strip_length": 2},
    {"type": "patience", "patience": 24},
]


@cache
def logged(document: str) -> list[Event]:
    """The epochs in the log of a training, as a client reads them."""
    events = []
    for log in epochs_of(make_training(json.loads(document))):
        details = {"lr": log.lr, "seconds": 0.5, "epochs_since_best": log.epochs_since_best, "is_best": log.is_best}
        event = entry_event(EpochEntry(log.epoch, log.step, log.metrics, details), 1)
        events.append(an_event(json.loads(json.dumps(event.data, allow_nan=False))))
    return events


def an_event(data: dict[str, Any]) -> Event:
    return Event(seq=data["epoch"], time="", attempt=1, type="epoch", data=data)


def ask(curve: MeasuredCurve, *settings: object) -> WhatIf:
    question = read_question({"early_stopping": list(settings)}, monitor=curve.monitor)
    return what_if("run_222222222222", curve, question.early_stopping)


@pytest.mark.parametrize("setting", CRITERIA, ids=str)
def test_the_answer_is_what_training_with_the_criterion_does(setting: object) -> None:
    curve = curve_of(logged(json.dumps(NOISY)), monitor=LOSS, epochs=24)
    [answer] = ask(curve, setting).answers
    trained = logged(json.dumps({**NOISY, "early_stopping": setting}))
    best = max(event.data["epoch"] for event in trained if event.data["is_best"])
    assert answer.stop_epoch == len(trained)
    assert (answer.decision == "stops") == (len(trained) < 24)
    assert answer.epochs_saved == 24 - len(trained)
    assert answer.seconds_saved == (24 - len(trained)) / 2
    assert answer.best is not None
    assert answer.best.epoch == best
    assert {**trained[best - 1].data, **answer.best.metrics} == trained[best - 1].data
    assert answer.best.value == trained[best - 1].data[LOSS]
    assert answer.lost == answer.best.value - min(each.metrics[LOSS] or 0 for each in curve.measured)


def test_the_criteria_stop_the_training_at_different_epochs() -> None:
    curve = curve_of(logged(json.dumps(NOISY)), monitor=LOSS, epochs=24)
    answers = ask(curve, *CRITERIA).answers
    assert [answer.decision for answer in answers] == ["stops"] * 5 + ["never_stops"]
    assert len({answer.stop_epoch for answer in answers}) > 3


def test_the_monitor_of_the_recipe_judges() -> None:
    recipe = {**NOISY, "evaluation": "validation_accuracy"}
    curve = curve_of(logged(json.dumps(recipe)), monitor="validation_accuracy", epochs=24)
    for setting in (2, {"type": "successive_increases", "strips": 1, "strip_length": 2}):
        trained = logged(json.dumps({**recipe, "early_stopping": setting}))
        [answer] = ask(curve, setting).answers
        assert (answer.stop_epoch, answer.best and answer.best.value) == (
            len(trained),
            max(event.data["validation_accuracy"] for event in trained),
        )


def a_curve(values: Sequence[float], train_losses: Sequence[float] | None = None, *, epochs: int) -> MeasuredCurve:
    losses = train_losses or [1.0] * len(values)
    return MeasuredCurve(
        LOSS,
        epochs,
        [
            MeasuredEpoch(epoch, 2.0, {"train_loss": loss, LOSS: value if math.isfinite(value) else None})
            for epoch, (value, loss) in enumerate(zip(values, losses, strict=False), start=1)
        ],
    )


@given(values=VALUES, losses=TRAIN_LOSSES, setting=PATIENCE | GL | PQ | UP, cut=st.integers(1, 30), more=st.booleans())
def test_the_answer_for_a_part_of_a_curve_is_undecided_or_that_for_the_whole(
    values: list[float], losses: list[float], setting: object, cut: int, more: bool
) -> None:
    epochs = len(values) + more
    [whole] = ask(a_curve(values, losses, epochs=epochs), setting).answers
    [part] = ask(a_curve(values[:cut], losses[:cut], epochs=epochs), setting).answers
    is_part = len(values[:cut]) < epochs
    assert (part.decision == "undecided") <= is_part
    if part.decision == "undecided":
        assert (part.stop_epoch, part.best, part.epochs_saved, part.seconds_saved, part.lost) == (None,) * 5
        assert whole.stop_epoch is None or whole.stop_epoch > cut
    else:
        assert (part.decision, part.stop_epoch, part.best) == (whole.decision, whole.stop_epoch, whole.best)
        assert part.stop_epoch is not None
        assert part.epochs_saved == len(values[:cut]) - part.stop_epoch
        assert part.lost is None or part.lost >= 0
        assert (part.lost is None) == (part.best is None)


def test_a_curve_without_a_finite_value_has_no_best_epoch() -> None:
    found = ask(a_curve([math.nan] * 5, epochs=5), 2, "none")
    assert found.best is None
    assert [(answer.stop_epoch, answer.best, answer.lost) for answer in found.answers] == [
        (2, None, None),
        (5, None, None),
    ]
    assert found.sentence == (
        "patience 2 would have stopped at epoch 2, saved 3 of 5 epochs and failed, because validation_loss was finite "
        "in none of its epochs"
    )


@pytest.mark.parametrize(
    ("epochs", "settings", "sentence"),
    [
        (6, [1], "patience 1 would have stopped at epoch 3, saved 3 of 6 epochs and lost 0.1 of validation_loss"),
        (
            6,
            [4, 2, 1, "none"],
            "patience 1 would have stopped at epoch 3, saved 3 of 6 epochs and lost 0.1 of validation_loss",
        ),
        (6, [4], "patience 4 never stops early: it would have trained all 6 epochs and lost nothing"),
        (6, ["none"], "early_stopping none never stops early: it would have trained all 6 epochs and lost nothing"),
        (9, [4], "patience 4 is undecided: 6 of 9 epochs were measured, and it does not stop within them"),
        (
            9,
            [{"patience": 2, "min_delta": 0.5, "min_epochs": 6}],
            (
                "patience 2 with min_delta 0.5 and min_epochs 6 would have stopped at epoch 6, where the run ended "
                "too, and lost 0.4 of validation_loss"
            ),
        ),
        (
            6,
            [2, "none", {"type": "patience", "patience": 2, "min_epochs": 5}],
            "patience 2 would have stopped at epoch 6, where the run ended too, and lost nothing",
        ),
    ],
)
def test_the_answer_in_words(epochs: int, settings: list[object], sentence: str) -> None:
    assert ask(a_curve([0.7, 0.4, 0.5, 0.3, 0.6, 0.5], epochs=epochs), *settings).sentence == sentence
