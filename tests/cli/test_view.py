"""What a screen learns from events."""

from typing import Any

import pytest

from bakehouse.cli.screens import line, said, stride
from bakehouse.cli.tables import datasets_table, table
from bakehouse.cli.view import View, duration, label_of, number, printable
from bakehouse.cli.watch import exit_code, why
from bakehouse.client import RunEvent
from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.card import DatasetListing
from bakehouse.recipe.read import read_recipe


def a_view(**recipe: Any) -> View:
    posted = {"dataset": "digits", "architecture": "mlp", "epochs": 40, **recipe}
    return View("run_1", "plain", read_recipe(posted), steps=920)


def state(status: str, reason: str, seq: int = 1) -> RunEvent:
    data = {"status": status, "reason": reason, "request": None}
    return RunEvent(seq=seq, time="2026-01-01T00:00:00.000Z", attempt=1, type="state", data=data)


def epoch(number: int, loss: float | None, *, attempt: int = 1, since: int = 0) -> RunEvent:
    data = {
        "epoch": number,
        "step": number * 23,
        "validation_loss": loss,
        "is_best": since == 0,
        "epochs_since_best": since,
        "non_finite": [] if loss else ["validation_loss"],
    }
    time = f"2026-01-01T00:00:{number:02}.000Z"
    return RunEvent(seq=number + 1, time=time, attempt=attempt, type="epoch", data=data)


def test_the_best_is_the_early_stoppers() -> None:
    view = a_view(early_stopping={"type": "patience", "patience": 3, "min_delta": 0.1})
    for event in [
        state("running", "claimed"),
        epoch(1, None, since=1),
        epoch(2, 0.9),
        epoch(3, 0.85, since=1),
        epoch(4, 0.7),
        epoch(5, 0.8, since=1),
    ]:
        view.observe(event)
    assert (view.best_epoch, view.best_numbers["validation_loss"], view.epoch, view.step) == (4, 0.7, 5, 115)
    assert said(view) == "best e4  val 0.7  patience 1/3  ≤ 35 s left"
    view.observe(state("succeeded", "early_stopped"))
    assert why(view) == "stopped early at epoch 5: no better than 0.7 for 3 epochs; kept epoch 4"
    assert said(view) == "best e4  val 0.7  done"


def test_without_a_patience_the_criterion_is_named() -> None:
    view = a_view(early_stopping="progress_quotient")
    for event in [state("running", "claimed"), epoch(1, 0.9), epoch(5, 1.0, since=4)]:
        view.observe(event)
    assert said(view) == "best e1  val 0.9  ≤ 35 s left"
    view.observe(state("succeeded", "early_stopped"))
    assert why(view) == "stopped early at epoch 5 by progress_quotient; kept epoch 1"


def test_before_the_first_epoch_there_are_steps() -> None:
    view = a_view()
    view.observe(state("running", "claimed"))
    assert said(view) == "starts"
    step = {"step": 3, "epoch": 1, "train_loss": 2.30321, "lr": 0.001}
    view.observe(RunEvent(seq=2, time="", attempt=1, type="step", data=step))
    assert said(view) == "step 3  loss 2.303"


def test_time_left_is_the_present_attempts() -> None:
    view = a_view(early_stopping="none")
    view.observe(epoch(1, 0.9))
    assert view.seconds_left is None
    view.observe(epoch(3, 0.8))
    assert view.seconds_left == 37
    view.observe(epoch(9, 0.7, attempt=2))
    assert view.seconds_left is None


def test_what_a_newer_service_sends_is_passed_over() -> None:
    view = a_view()
    view.observe(RunEvent(seq=1, time="", attempt=1, type="diagnostic", data={"x": 1}))
    assert view == a_view()


def test_a_long_run_does_not_flood() -> None:
    assert [stride(epoch) for epoch in (1, 20, 21, 40, 41, 80, 81)] == [1, 1, 2, 2, 4, 4, 8]
    assert sum(epoch % stride(epoch) == 0 for epoch in range(1, 100_001)) < 200


def test_a_line_an_epoch() -> None:
    view = a_view(early_stopping="none")
    view.observe(epoch(1, 0.5))
    assert line(view, epoch(1, 0.5)) == "epoch 1/40  val 0.5  best e1"


@pytest.mark.parametrize(
    ("statuses", "code"),
    [(["succeeded"], 0), (["succeeded", "failed", "cancelled"], 1), (["cancelled", "succeeded"], 5), ([], 0)],
)
def test_the_exit_code_of_several_runs(statuses: list[str], code: int) -> None:
    assert exit_code(statuses) == code


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_000, "25 h 0 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers() -> None:
    assert number("validation_accuracy", 0.98765) == "98.8%"
    assert number("validation_loss", 0.0419321) == "0.04193"
    assert number("validation_loss", None) == "not finite"


def test_names_cannot_steer_a_terminal() -> None:
    assert printable("a\x1b[31mb\u202ec") == "a?[31mb?c"
    assert "\x1b" not in table(("A",), [["\x1b[2J"]])
    recipe = read_recipe({"dataset": "digits", "architecture": "mlp", "name": "\x1b[2J", "seed": 3})
    assert label_of(recipe, "run_1") == "?[2J"
    assert label_of(recipe, "run_1", seeds=True) == "seed 3"


def test_long_names_leave_room_for_numbers() -> None:
    recipe = read_recipe({"dataset": "digits", "architecture": "mlp", "name": "n" * 100})
    assert label_of(recipe, "run_1") == "n" * 31 + "…"


def test_data_sets_say_what_was_noted_or_is_wrong() -> None:
    card = read_card(BUILTIN / "iris").model_copy(update={"title": "", "notes": ("resized", "cut")})
    rows = datasets_table(
        [DatasetListing(id="f" * 80, status="broken", problem="no"), DatasetListing(id="i", status="ready", card=card)]
    ).splitlines()
    assert rows[1].split() == ["f" * 31 + "…", "broken", "no"]
    assert rows[2].endswith("150    resized; cut")
